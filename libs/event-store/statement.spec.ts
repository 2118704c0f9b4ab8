import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import pg from 'pg'
import { createPool } from '#postgres/database.js'
import { calls, openTurnStory, type TurnStory } from '../../test/support/turn-story.js'
import { WRITER_SETTINGS } from './writer.js'

interface Node {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Cond'?: string
  readonly Plans?: readonly Node[]
}

const query = pg.Client.prototype.query as (...args: unknown[]) => unknown
/** Statements of the writer, by name. */
const statements = new Map<string, string>()
let story: TurnStory

beforeAll(async () => {
  Object.assign(pg.Client.prototype, {
    query(this: pg.Client, ...args: unknown[]) {
      const { name = '', text = '' } = args[0] as { name?: string; text?: string }
      if (/^(group:|one)/.test(name)) statements.set(name, text)
      return query.apply(this, args)
    },
  })
  story = await openTurnStory()
  const agents = await Promise.all(['a', 'b'].map((name) => story.createAgent(name)))
  for (const agent of agents) {
    const asked = { tool_calls: calls(1, ['archival_memory_search', {}]) }
    await story.run(agent, 'hello', [
      { reply: asked, returns: [{ status: 'success', result: 'done' }] },
    ])
  }
})

afterAll(async () => {
  Object.assign(pg.Client.prototype, { query })
  await story.close()
})

function scans(node: Node): Node[] {
  return [...(node['Relation Name'] ? [node] : []), ...(node.Plans ?? []).flatMap(scans)]
}

/** How the generic plan reads tables. */
async function reads(text: string): Promise<Node[]> {
  const url = story.pool.options.connectionString as string
  const pool = createPool(url, { max: 1, settings: WRITER_SETTINGS })
  const { rows } = await pool.query(`explain (generic_plan, format json) ${text}`)
  await pool.end()
  return scans(rows[0]['QUERY PLAN'][0].Plan).filter((node) => /Scan/.test(node['Node Type']))
}

describe('the statement of a group, on tables without statistics', () => {
  it('finds every row by its whole key, never by walking through all a tenant has', async () => {
    expect([...statements.keys()].filter((name) => name !== 'one').length).toBeGreaterThan(3)
    for (const [name, text] of statements) {
      for (const node of await reads(text)) {
        const found = {
          name,
          table: node['Relation Name'],
          by: node['Index Cond'] ?? node['Node Type'],
        }
        expect(found).toEqual({
          ...found,
          by: expect.stringMatching(/tenant_id = .* AND .*_id = /),
        })
      }
    }
  })

  it('and would not with a constant tenant in a join (control arm)', async () => {
    const joined = `update streams s set version = w.version from unnest($2::text[], $3::int[]) w(id, version)
                     where s.tenant_id = $1 and s.stream_id = w.id`
    const [node] = await reads(joined)
    expect(node?.['Index Cond']).toBe('(tenant_id = $1)')
  })
})
