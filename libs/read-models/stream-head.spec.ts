import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import pg from 'pg'
import { foldStreams } from '#event-store/stream-reader.js'
import { createDatabase, createPool } from '#postgres/database.js'
import { type BlockStory, openBlockStory, tenantId } from '../../test/support/block-story.js'
import { agentById } from './agents.js'
import { blocksOfAgents } from './attachments.js'

/** Blocks of somebody else, and edits of each. */
const OTHERS = 200
const EDITS = 5
/** Postgres pages of the log and of the heads: the way down an index to each of three streams, and their rows. */
const PAGES_MAX = 40

/** What tables and indexes of the log were read for, as this session's statistics have it. */
const TOUCHED = `select sum(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read)::int as pages
  from pg_statio_user_tables where relname in ('events', 'streams')`

describe('with plans that were made while the tables were new', () => {
  let story: BlockStory
  let pool: pg.Pool
  let agentId: string
  let blockIds: string[]

  beforeAll(async () => {
    story = await openBlockStory()
    const owner = new pg.Client({ connectionString: story.url })
    await owner.connect()
    for (const table of ['events', 'streams', 'blocks', 'attachments', 'agents', 'turns']) {
      await owner.query(`alter table ${table} set (autovacuum_enabled = false)`)
    }
    await owner.end()
    pool = createPool(story.url, { max: 1, settings: { plan_cache_mode: 'force_generic_plan' } })
    const nobody = ['block-1', 'block-2']
    await foldStreams(pool, tenantId, nobody)
    await pool.query(byJoin(nobody))
    blockIds = [await story.block('one'), await story.block('two')]
    agentId = await story.agent('reader', blockIds)
    for (let n = 0; n < OTHERS; n++) {
      const other = await story.block(`other ${n}`)
      for (let edit = 0; edit < EDITS; edit++) {
        await story.change(other, {
          type: 'RethinkBlock',
          text: `${n} ${edit}`,
          numbered: false,
        })
      }
    }
  })

  afterAll(async () => {
    await pool.end()
    await story.close()
  })

  /** @returns pages of the log's tables that `read` looked at, on the only connection there is */
  async function pagesOf(read: () => Promise<unknown>): Promise<number> {
    const touched = async (): Promise<number> => {
      await pool.query('select pg_stat_force_next_flush()')
      return (await pool.query(TOUCHED)).rows[0].pages
    }
    const before = await touched()
    await read()
    return (await touched()) - before
  }

  it.each([
    ['folding streams', () => foldStreams(pool, tenantId, [...blockIds, agentId])],
    ['the blocks of an agent', () => blocksOfAgents(reads(), tenantId, [agentId])],
    ['an agent', () => agentById(reads(), tenantId, agentId)],
  ] as const)('%s reads no other stream', async (_name, read) => {
    await read()
    expect(await pagesOf(read)).toBeLessThanOrEqual(PAGES_MAX)
  })

  it('control: a join without a limit reads the log through', async () => {
    expect(await pagesOf(() => pool.query(byJoin(blockIds)))).toBeGreaterThan(5 * PAGES_MAX)
  })

  function reads() {
    return { db: createDatabase(pool), pool }
  }
})

function byJoin(streamIds: readonly string[]): pg.QueryConfig {
  return {
    name: 'by-join',
    text: `select e.version from unnest($2::text[], $3::int[]) s(stream_id, known)
      join events e on e.tenant_id = $1 and e.stream_id = s.stream_id and e.version > s.known`,
    values: [tenantId, streamIds, streamIds.map(() => 0)],
  }
}
