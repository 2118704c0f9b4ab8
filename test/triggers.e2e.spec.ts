import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import pg from 'pg'
import { createPool } from '#postgres/database.js'
import { derivedId } from '#read-models/derived-id.js'
import { checkReadModels } from '#read-models/rebuild.js'
import type { RunningWorker } from '../apps/worker/worker.js'
import { until } from './support/feed-load.js'
import { type Product, startProduct } from './support/product.js'
import { makeAgent, makeBlock, type Rest, restOf, type WireBlock } from './support/rest.js'

let product: Product
let rest: Rest
let sql: pg.Pool
let workers: RunningWorker[]

beforeAll(async () => {
  product = await startProduct({ workers: 0 })
  rest = restOf(product.port)
  sql = new pg.Pool({ connectionString: product.databaseUrl, max: 2 })
  // Two sweep, so everything below is queued by two.
  workers = [await product.startWorker(), await product.startWorker()]
})

afterAll(async () => {
  await sql.end()
  const pool = createPool(product.databaseUrl, { max: 1 })
  expect(await checkReadModels(pool, 'default')).toMatchObject({ differences: 0 })
  await pool.end()
  await product.close()
  expect(product.logged).toEqual([])
})

interface WireTrigger {
  readonly id: string
  readonly pending: object | null
  readonly last_run_id: string | null
  readonly refused: { count: number; version: number; run_id: string } | null
}
interface Cause {
  readonly from_version: number
  readonly to_version: number
  readonly depth: number
}

const TOOLS = ['memory_insert']
const INSERT = 'Insert "ping" into the notes block.'

async function watching(block: WireBlock, fields: object) {
  const { id } = await makeAgent(rest, [block.id], { tools: TOOLS })
  return { id, ...(await set(id, { block_id: block.id, ...fields })) }
}
async function set(agentId: string, body: object) {
  const { body: trigger } = await rest<WireTrigger>('POST', `/v1/agents/${agentId}/triggers`, body)
  return { trigger: trigger.id, path: `/v1/agents/${agentId}/triggers/${trigger.id}` }
}
const insert = (block: WireBlock, new_string: string) =>
  rest<{ version: number }>('POST', `/v1/blocks/${block.id}/insert`, { new_string })
const triggersOf = async (agentId: string) =>
  (await rest<{ data: WireTrigger[] }>('GET', `/v1/agents/${agentId}/triggers`)).body.data

/** The turns of an agent that triggers have queued, oldest first. */
async function wakesOf(agentId: string) {
  const { rows } = await sql.query<{ id: string; trigger: Cause; said: string; source: string }>(
    `select stream_id as id, payload->'trigger' as trigger, payload->'input'->0->>'content' as said,
            payload->>'source' as source
       from events where type = 'TurnQueued' and payload->>'agent_id' = $1 and payload->'trigger' is not null
      order by position`,
    [agentId],
  )
  return rows
}

/** Every change has been looked at, nothing is due and no turn is under way: nothing more will happen by itself. */
function atRest(): Promise<void> {
  return until(async () => {
    const { rows } = await sql.query<{ rests: boolean }>(
      `select coalesce((select checkpoint from subscriptions where name = 'triggers'), -1)
              >= (select max(position) from events where stream_id like 'block-%' or type = 'TurnQueued')
          and not exists (select from trigger_wakes w join triggers t using (trigger_id) where w.due_at is not null)
          and not exists (select from turns where status in ('queued', 'running', 'parked')) as rests`,
    )
    return rows[0]?.rests === true
  })
}

describe('a trigger', () => {
  it('wakes its agent once for a burst of changes by others, and never for its own', async () => {
    const block = await makeBlock(rest, { value: 'a' })
    const agent = await watching(block, { debounce_ms: 1_000 })
    const message = { input: 'Insert "mine" into the notes block.' }
    await rest('POST', `/v1/agents/${agent.id}/messages`, message)
    await atRest()
    expect(await wakesOf(agent.id)).toEqual([])

    const versions = await Promise.all(['b', 'c', 'd'].map((text) => insert(block, text)))
    const to = Math.max(...versions.map(({ body }) => body.version))
    await until(async () => (await wakesOf(agent.id)).length > 0)
    await atRest()
    const wakes = await wakesOf(agent.id)
    expect(wakes).toMatchObject([
      { source: 'trigger', trigger: { from_version: to - 3, to_version: to, depth: 1 } },
    ])
    expect(wakes[0]?.id).toBe(derivedId('run', 'default', agent.trigger, to))
    expect(wakes[0]?.said).toBe(
      `Block "notes" (${block.id}) has changed from version ${to - 3} to version ${to}, by user local.`,
    )
    expect(await triggersOf(agent.id)).toMatchObject([
      { id: agent.trigger, pending: null, last_run_id: wakes[0]?.id, refused: null },
    ])
  })

  it('that fires again after a crash, or reads the log again, has its turns already', async () => {
    const block = await makeBlock(rest)
    const agent = await watching(block, { debounce_ms: 1_000, input: 'Look.' })
    await insert(block, 'b')
    await until(async () => (await wakesOf(agent.id)).length > 0)
    await atRest()
    // As if the process had died between the turn's commit and what it notes of it.
    const again = 'update trigger_wakes set due_at = now(), run_id = null where trigger_id = $1'
    await sql.query(again, [agent.trigger])
    // What is due later is queued later, in the same sweep.
    const later = await makeBlock(rest)
    const next = await watching(later, { debounce_ms: 0 })
    await insert(later, 'b')
    await until(async () => (await wakesOf(next.id)).length > 0)
    expect(await wakesOf(agent.id)).toHaveLength(1)
    await rest('DELETE', next.path)
    // As if all that is known of triggers had been lost with the worker.
    await Promise.all(workers.splice(0).map((worker) => worker.close()))
    await sql.query(`update subscriptions set checkpoint = 0 where name = 'triggers'`)
    await sql.query('delete from trigger_wakes')
    workers = [await product.startWorker(), await product.startWorker()]
    await atRest()
    expect(await wakesOf(agent.id)).toMatchObject([
      { said: expect.stringMatching(/^Look\.\n\nBlock "notes"/) },
    ])
  })

  it('that is removed, by itself or with its block or its agent, wakes nobody, due or not', async () => {
    const block = await makeBlock(rest)
    const other = await makeBlock(rest)
    const agents = [await watching(block, { debounce_ms: 1_000 }), await watching(block, {})]
    const third = await watching(other, {})
    await insert(block, 'b')
    await insert(other, 'b')
    const [first, second] = agents as [(typeof agents)[0], (typeof agents)[0]]
    expect((await rest('DELETE', first.path)).status).toBe(200)
    const detach = `/v1/agents/${second.id}/core-memory/blocks/detach/${block.id}`
    expect((await rest('PATCH', detach)).status).toBe(200)
    expect((await rest('DELETE', `/v1/blocks/${other.id}`)).status).toBe(200)
    const gone = await watching(block, {})
    expect((await rest('DELETE', `/v1/agents/${gone.id}`)).status).toBe(200)
    await atRest()
    for (const { id } of [first, second, third]) {
      expect([await triggersOf(id), await wakesOf(id)]).toEqual([[], []])
    }
    expect((await rest('DELETE', first.path)).body.code).toBe('trigger_not_found')
  })

  it('is refused where it could never wake, and asking again with a key sets it once', async () => {
    const block = await makeBlock(rest)
    const { id } = await makeAgent(rest, [block.id], { tools: TOOLS })
    const path = `/v1/agents/${id}/triggers`
    const codes = []
    const stranger = await makeBlock(rest)
    const nobody = '00000000-0000-4000-8000-000000000000'
    for (const body of [
      { block_id: `block-${nobody}` },
      { block_id: stranger.id },
      { block_id: block.id, debounce_ms: -1 },
      { block_id: block.id, debounce_ms: 3_600_001 },
      { block_id: block.id, debounce_ms: 0.5 },
      { block_id: block.id, debounce: 5 },
      { block_id: block.id, input: '' },
      { debounce_ms: 5 },
    ]) {
      const answer = await rest('POST', path, body)
      expect(answer.faults()).toEqual([])
      codes.push(answer.body.code)
    }
    expect(codes).toEqual([
      'block_not_found',
      'not_attached',
      'invalid_argument',
      'invalid_argument',
      'invalid_type',
      'unknown_field',
      'invalid_argument',
      'invalid_type',
    ])
    const absent = await rest('POST', `/v1/agents/agent-${nobody}/triggers`, { block_id: block.id })
    expect(absent.body.code).toBe('agent_not_found')

    const key = { 'idempotency-key': 'once' }
    const once = await rest<WireTrigger>('POST', path, { block_id: block.id }, key)
    const twice = await rest<WireTrigger>('POST', path, { block_id: block.id }, key)
    expect(twice.body).toEqual(once.body)
    expect(once.body).toMatchObject({ debounce_ms: 2_000, input: null, pending: null })
    for (let i = 1; i < 20; i++) await rest('POST', path, { block_id: block.id })
    expect((await rest('POST', path, { block_id: block.id })).body.code).toBe('too_many_triggers')
    expect(await triggersOf(id)).toHaveLength(20)
  })
})

describe('agents that wake one another', () => {
  async function pair() {
    const block = await makeBlock(rest)
    const wish = { debounce_ms: 0, input: INSERT }
    const agents = [await watching(block, wish), await watching(block, wish)]
    await insert(block, 'begin')
    return agents
  }
  const depths = async (agents: readonly { id: string }[]): Promise<number[]> => {
    const wakes = await Promise.all(agents.map(({ id }) => wakesOf(id)))
    return wakes.flat().map(({ trigger }) => trigger.depth)
  }

  it('come to rest, and their triggers say that they were refused', async () => {
    const agents = await pair()
    await until(async () => (await depths(agents)).includes(5))
    await atRest()
    expect(Math.max(...(await depths(agents)))).toBe(5)
    const refused = (await Promise.all(agents.map(({ id }) => triggersOf(id)))).flat()
    expect(refused.some((trigger) => (trigger.refused?.count ?? 0) > 0)).toBe(true)
  })

  it('go on without the guard', async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.close()))
    workers = [await product.startWorker({ triggerDepthMax: Number.POSITIVE_INFINITY })]
    const agents = await pair()
    await until(async () => Math.max(...(await depths(agents))) > 6)
    for (const { path } of agents) await rest('DELETE', path)
    await atRest()
  })
})
