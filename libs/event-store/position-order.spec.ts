import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Pool } from 'pg'
import { ChangeAgent, ChangeAgentHandler } from '#commands/change-agent.js'
import { ChangeTurn, ChangeTurnHandler } from '#commands/change-turn.js'
import { createPool } from '#postgres/database.js'
import { project } from '#read-models/projection.js'
import { by, insertion, openLog, type TestLog, tenantId } from '../../test/support/log.js'
import { queuedPayload } from '../../test/support/turn-commands.js'
import { WRITER_CONNECTIONS, WRITER_SETTINGS, Writer } from './writer.js'

let log: TestLog
const pools: Pool[] = []

beforeAll(async () => {
  log = await openLog()
})

afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.end()))
  await log.close()
})

/** A writer whose statements are changed on their way to the server. */
function writerWith(mutate: (text: string) => string): Writer {
  const writes = createPool(log.url, { max: WRITER_CONNECTIONS, settings: WRITER_SETTINGS })
  pools.push(writes)
  writes.on('connect', (client) => {
    const query = client.query.bind(client) as (config: object, ...rest: unknown[]) => unknown
    Object.assign(client, {
      query: (config: { text?: string }, ...rest: unknown[]) =>
        query(config.text ? { ...config, text: mutate(config.text) } : config, ...rest),
    })
  })
  return new Writer({ writes, reads: log.reads, project })
}

/** Racing units: one stream and several, new streams, turns queued. @returns how many failed. */
async function raceUnits(writers: readonly Writer[]): Promise<number> {
  const at = <T>(list: readonly T[], i: number): T => list[i % list.length] as T
  const blocks = await Promise.all([0, 1, 2].map((i) => log.createBlock(at(writers, i))))
  const agents = await Promise.all([0, 1].map(() => createAgent(writers[0] as Writer)))
  const verdicts = await Promise.allSettled(
    Array.from({ length: 300 }, async (_, i) => {
      const writer = at(writers, i)
      if (i % 3 > 0) return writer.submit(insertion(at(blocks, i >> 2), 'x'))
      const agentId = at(agents, i >> 3)
      const change = {
        type: 'QueueTurn',
        payload: { ...queuedPayload(), agent_id: agentId },
      } as const
      return new ChangeTurnHandler(writer).execute(
        new ChangeTurn(`run-${randomUUID()}`, agentId, change, by),
      )
    }),
  )
  return verdicts.filter(({ status }) => status === 'rejected').length
}

async function createAgent(writer: Writer): Promise<string> {
  const agentId = `agent-${randomUUID()}`
  const settings = { name: 'a', system: '', model: 'm' }
  const create = { type: 'CreateAgent', settings, tools: [], blockIds: [], newBlocks: [] } as const
  await new ChangeAgentHandler(writer).execute(new ChangeAgent(agentId, create, by))
  return agentId
}

/** Events that stand before one of a lower version of their stream, or a turn of a lower `seq`. */
async function inversions(): Promise<number> {
  const { rows } = await log.reads.query(
    `select
       (select count(*)::int from (
          select version, lag(version) over (partition by stream_id order by position) as before
            from events where tenant_id = $1) e
         where version <> coalesce(before, 0) + 1)
     + (select count(*)::int from (
          select seq, lag(seq) over (partition by t.agent_id order by e.position) as before
            from events e join turns t on t.tenant_id = e.tenant_id and t.run_id = e.stream_id
           where e.tenant_id = $1 and e.type = 'TurnQueued') q
         where seq <> coalesce(before, 0) + 1) as count`,
    [tenantId],
  )
  return rows[0].count
}

describe('under racing writers', () => {
  it('positions rise with the versions of every stream, and with the seq of every agent', async () => {
    expect(await raceUnits([log.openWriter(), log.openWriter(), log.openWriter()])).toBe(0)
    expect(await inversions()).toBe(0)
  })

  it('and would not in another order of the statement (control arm)', async () => {
    const reversed = writerWith((text) => text.replace('order by e.ord)', 'order by e.ord desc)'))
    await raceUnits([reversed])
    expect(await inversions()).toBeGreaterThan(0)
  })
})
