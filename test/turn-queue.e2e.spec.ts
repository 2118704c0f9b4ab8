import { execFile, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { Queue } from 'bullmq'
import { ChangeTurn, ChangeTurnHandler } from '#commands/change-turn.js'
import { WRITER_CONNECTIONS, WRITER_SETTINGS, Writer } from '#event-store/writer.js'
import { createPool } from '#postgres/database.js'
import { turnJob } from '#producer/turn-job.js'
import { turnDead, turnDone, turnResult } from '#producer/turn-result.js'
import { project } from '#read-models/projection.js'
import type { RunningWorker } from '../apps/worker/worker.js'
import { until } from './support/feed-load.js'
import { finished, JobQueues } from './support/job-queue.js'
import { gate, lastSaid, openTurnStage, type TurnStage } from './support/turn-stage.js'

const redisUrl = process.env.PALIMPSEST_TEST_REDIS_URL
const BACKENDS = [
  ['Postgres', undefined],
  ...(redisUrl ? [['Redis', redisUrl] as const] : []),
] as const
/** Shorter than a wake that was lost may take in the product. */
const PARK = { minMs: 50, maxMs: 400 }
/** For so long a worker that died may hold the only place. */
const HELD_MS_MAX = 5_000
const PROGRAMS = [...readFileSync('docs/queue.md', 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)].map(
  ([, code]) => code as string,
)

describe.each(BACKENDS)('a turn queued as a job, on %s', (backend, redis) => {
  let stage: TurnStage
  let worker: RunningWorker
  let jobs: JobQueues
  let queue: Queue

  beforeAll(async () => {
    stage = await openTurnStage({ redisUrl: redis, workers: 0, worker: { park: PARK } })
    worker = await stage.product.startWorker()
    jobs = new JobQueues(stage.product.config)
    queue = jobs.queue('palimpsest-turns')
  })

  afterAll(async () => {
    await jobs.close()
    await stage.close()
  })

  beforeEach(() => stage.model.reset())

  /** Adds a job as any producer does. @returns its id */
  async function add(data: object, id: string = `run-${randomUUID()}`): Promise<string> {
    await queue.add('turn.v1', data, { jobId: id })
    return id
  }

  async function turnsOf(agentId: string): Promise<number> {
    const { rowCount } = await stage.sql.query('select 1 from turns where agent_id = $1', [agentId])
    return rowCount ?? 0
  }

  it('returns what it came to; each step is noted on the job, which holds no place meanwhile', async () => {
    const block = await stage.block('a')
    const agent = await stage.agent([block])
    const seen = gate()
    const insert = { name: 'memory_insert', arguments: { label: 'notes', new_string: 'b' } }
    stage.model.script([{ toolCalls: [insert] }, { text: 'done', holdUntil: seen.opened }])
    const id = await add({ agent_id: agent, input: 'go' })
    await until(async () => (await queue.getJobLogs(id)).count === 1)
    await until(async () => (await queue.getJobState(id)) === 'delayed')
    expect((await queue.getJob(id))?.progress).toMatchObject({ step: 1, tool: 'memory_insert' })
    seen.open()
    const { state, returned } = await finished(queue, id)
    expect(state).toBe('completed')
    expect(turnResult.parse(returned)).toEqual(returned)
    expect(returned).toMatchObject({ run_id: id, agent_id: agent, stop_reason: 'end_turn' })
    expect(returned.edits).toEqual([{ block_id: block.id, version: 3 }])
    expect(returned.messages.map((message: { role: string }) => message.role)).toEqual([
      'assistant',
      'tool',
      'assistant',
    ])
    const { logs } = await queue.getJobLogs(id)
    expect(logs[0]).toMatch(/^step 1: memory_insert \(\d+ tokens so far\)$/)
    const [from, to] = returned.event_range
    let first: unknown[] = []
    // A transaction of another spec may hold up the feed.
    await until(async () => {
      first = (await stage.rest('GET', `/v1/events?after=${from}&limit=1`)).body.data as unknown[]
      return first.length > 0
    })
    expect(first).toMatchObject([{ stream_id: id, version: 1 }])
    expect((await stage.events(id)).length).toBeGreaterThan(5)
    expect(typeof to).toBe('string')
  })

  it('is one turn for its id: sent again at once, at its end, and after the queue has forgotten it', async () => {
    const agent = await stage.agent()
    stage.model.routeBy(() => ({ text: 'done' }))
    for (const id of [`run-${randomUUID()}`, `order-${randomUUID()}`]) {
      const data = { agent_id: agent, input: 'go', metadata: { a: 1, b: 'x' } }
      await Promise.all([add(data, id), add(data, id)])
      const first = await finished(queue, id)
      await add(data, id)
      expect((await queue.getJob(id))?.returnvalue).toEqual(first.returned)
      await queue.remove(id)
      const { metadata, ...rest } = data
      await add({ metadata: { b: 'x', a: metadata.a }, ...rest, request_id: 'second' }, id)
      expect(await finished(queue, id)).toEqual(first)
    }
    expect(await turnsOf(agent)).toBe(2)
    expect(stage.model.requests).toHaveLength(2)
  })

  it('numbered by the queue is told from an earlier one of that number', async () => {
    const agent = await stage.agent()
    stage.model.routeBy(() => ({ text: 'done' }))
    const numbers = []
    for (const input of ['one', 'two']) {
      // As after a flush: the queue counts from the beginning.
      await queue.obliterate({ force: true })
      const { id = '' } = await queue.add('turn.v1', { agent_id: agent, input })
      numbers.push(id)
      expect((await finished(queue, id)).state).toBe('completed')
    }
    await queue.resume()
    expect(numbers).toEqual(['1', '1'])
    expect(await turnsOf(agent)).toBe(2)
  })

  it('is refused with a reason, finally, and holds up nobody', async () => {
    const agent = await stage.agent()
    stage.model.routeBy(() => ({ text: 'done' }))
    const known = await add({ agent_id: agent, input: 'go' })
    await finished(queue, known)
    await queue.remove(known)
    const nobody = 'agent-00000000-0000-4000-8000-000000000000'
    const refused = [
      [{ agent_id: agent, input: 'other' }, 'Conflict', 'idempotency_key_reused', known],
      [{ agent_id: agent }, 'Invalid', 'invalid_argument'],
      [{ agent_id: agent, input: 'go', inputs: 1 }, 'Invalid', 'unknown_field'],
      [{ agent_id: agent, input: 'x'.repeat(100_001) }, 'Invalid', 'message_too_long'],
      [{ agent_id: nobody, input: 'go' }, 'NotFound', 'agent_not_found'],
      [{ agent_name: 'nobody', input: 'go' }, 'NotFound', 'agent_not_found'],
      [
        { agent_id: agent, input: 'go', reply_to: { queue: 'palimpsest-wake' } },
        'Invalid',
        'invalid_argument',
      ],
      ['go', 'Invalid', 'invalid_type'],
    ] as const
    const ids = await Promise.all(
      refused.map(([data, , , id]) => add(data as object, id ?? `job-${randomUUID()}`)),
    )
    const { id: named = '' } = await queue.add(
      'turn.v9',
      { agent_id: agent, input: 'go' },
      { jobId: `job-${randomUUID()}`, attempts: 5 },
    )
    const good = await add({ agent_id: agent, input: 'go' })
    const ends = await Promise.all(ids.map((id) => finished(queue, id)))
    expect(ends.map(({ failure }) => [failure?.class, failure?.code])).toEqual(
      refused.map(([, failureClass, code]) => [failureClass, code]),
    )
    expect(ends[2]?.failure?.message).toContain('/inputs: unknown field')
    expect((await finished(queue, named)).failure?.message).toContain(
      'named turn.v1, not "turn.v9"',
    )
    expect((await finished(queue, good)).state).toBe('completed')
    expect(await turnsOf(agent)).toBe(2)
    expect(stage.product.logged).toEqual([])
  })

  it('names its agent, and is refused where several have that name', async () => {
    const name = `editor ${randomUUID()}`
    const make = () =>
      stage.rest<{ id: string }>('POST', '/v1/agents/', { name, model: 'openai/gpt-4o-mini' })
    const { body: agent } = await make()
    stage.model.routeBy(() => ({ text: 'done' }))
    const one = await add({ agent_name: name, input: 'go' })
    expect((await finished(queue, one)).returned.agent_id).toBe(agent.id)
    await make()
    const two = await add({ agent_name: name, input: 'go' })
    expect((await finished(queue, two)).failure?.message).toMatch(/^Several agents are named/)
  })

  it('runs in the order of its queue, one of an agent at a time', async () => {
    const agents = await Promise.all([stage.agent(), stage.agent(), stage.agent()])
    const said = new Map<string, string[]>()
    stage.model.routeBy((request) => {
      const [agent = '', n = ''] = lastSaid(request).text.split(' ')
      said.set(agent, [...(said.get(agent) ?? []), n])
      return { text: 'done' }
    })
    const numbers = Array.from({ length: 8 }, (_, n) => n)
    // In one go: calls that overlap are put into the queue in any order.
    const added = await queue.addBulk(
      numbers.flatMap((n) =>
        agents.map((agent) => turnJob({ agent_id: agent, input: `${agent} ${n}` })),
      ),
    )
    for (const job of added) await finished(queue, job.id as string)
    for (const agent of agents) expect(said.get(agent)).toEqual(numbers.map(String))
  })

  it('answers where it was asked to, and a turn that was given up is a dead letter', async () => {
    const agent = await stage.agent()
    const replies = jobs.queue(`replies-${randomUUID()}`)
    const reply_to = { queue: replies.name }
    stage.model.routeBy(() => ({ text: 'done' }))
    const asked = {
      agent_id: agent,
      input: 'go',
      reply_to,
      metadata: { order: 7 },
      request_id: 'r1',
    }
    const good = await add(asked)
    await until(async () => (await replies.getJob(`${good}-done`)) !== undefined)
    const done = turnDone.parse((await replies.getJob(`${good}-done`))?.data)
    expect(done).toMatchObject({ metadata: { order: 7 }, request_id: 'r1', failure: null })
    expect(done.result).toEqual((await finished(queue, good)).returned)

    const late = "clock_timestamp() + interval '1 hour'"
    await stage.sql.query(`update mailboxes set not_before = ${late} where agent_id = $1`, [agent])
    const dead = await add(asked)
    await until(async () => (await turnsOf(agent)) === 2)
    await giveUp(dead, agent)
    const { failure } = await finished(queue, dead)
    expect(failure).toMatchObject({ class: 'Poison', run_id: dead })
    const letters = jobs.queue('palimpsest-turns-dead')
    await until(async () => (await letters.getJob(dead)) !== undefined)
    expect(turnDead.parse((await letters.getJob(dead))?.data)).toMatchObject({
      attempts: 3,
      failure,
    })
    await until(async () => (await replies.getJob(`${dead}-done`)) !== undefined)
    expect((await replies.getJob(`${dead}-done`))?.data).toMatchObject({ result: null, failure })
  })

  it('returns within its longest sleep when nobody wakes it', async () => {
    const agent = await stage.agent()
    const answered = gate()
    stage.model.script([{ text: 'done', holdUntil: answered.opened }])
    const id = await add({ agent_id: agent, input: 'go' })
    await stage.model.requestsArrived(1)
    await stage.sql.query(
      `update subscriptions set owner = 'nobody', epoch = epoch + 1, lease_until = 'infinity'
        where name = 'turn-answers'`,
    )
    answered.open()
    await stage.ended(id)
    const ended = performance.now()
    expect((await finished(queue, id)).state).toBe('completed')
    expect(performance.now() - ended).toBeLessThan(PARK.maxMs + 1_000)
    await stage.sql.query(`update subscriptions set owner = null where name = 'turn-answers'`)
  })

  it('of a flow: three researchers, and an editor once all of them are done', async () => {
    const agents = await Promise.all(Array.from({ length: 4 }, () => stage.agent()))
    const said: string[] = []
    stage.model.routeBy((request) => {
      said.push(lastSaid(request).text)
      return { text: 'done' }
    })
    const [editor = '', ...researchers] = agents
    const parent = turnJob({ agent_id: editor, input: 'edit' })
    const children = researchers.map((agent_id, n) => {
      const { opts, ...child } = turnJob({ agent_id, input: `research ${n}` })
      return { ...child, opts: { ...opts, failParentOnFailure: true } }
    })
    await jobs.flows().add({ ...parent, children })
    expect((await finished(queue, parent.opts.jobId)).state).toBe('completed')
    expect([...said].sort()).toEqual(['edit', 'research 0', 'research 1', 'research 2'])
    expect(said.at(-1)).toBe('edit')
  })

  it('is queued by the programs of docs/queue.md, which know nothing but BullMQ', async () => {
    const names = ['editor', ...['history', 'people', 'numbers'].map((of) => `researcher of ${of}`)]
    for (const name of names) {
      await stage.rest('POST', '/v1/agents/', { name, model: 'openai/gpt-4o-mini' })
    }
    stage.model.routeBy(() => ({ text: 'done' }))
    expect(PROGRAMS).toHaveLength(3)
    const own = PROGRAMS.filter(
      (program) => program.includes('postgres:') === (backend === 'Postgres'),
    )
    expect(own.length).toBeGreaterThan(0)
    for (const program of own) {
      const code = program
        .replaceAll('redis://localhost:6379', stage.product.config.redisUrl ?? '')
        .replaceAll('postgres://localhost/palimpsest', stage.product.databaseUrl)
      const args = ['--input-type=module', '-e', code]
      const { stdout, stderr } = await promisify(execFile)(process.execPath, args)
      expect(stderr).toBe('')
      expect((await finished(queue, stdout.trim())).state).toBe('completed')
    }
  })

  it('goes on within 5 s, before those behind it, when the worker that takes it in is killed over it', async () => {
    const agent = await stage.agent()
    stage.model.routeBy(() => ({ text: 'done' }))
    await worker.close()
    const child = fork(join('test', 'support', 'turn-worker.mjs'), { env: environment() })
    await once(child, 'message')
    const held = await stage.sql.connect()
    await held.query('begin')
    await held.query('select from mailboxes where agent_id = $1 for update', [agent])
    const id = await add({ agent_id: agent, input: 'go' })
    await until(async () => (await queue.getJobState(id)) === 'active')
    const behind = await add({ agent_id: agent, input: 'go on' })
    worker = await stage.product.startWorker()
    child.kill('SIGKILL')
    const killed = performance.now()
    await once(child, 'exit')
    await held.query('rollback')
    held.release()
    await until(async () => (await stage.events(id, /^TurnQueued$/)).length === 1)
    expect(performance.now() - killed).toBeLessThan(HELD_MS_MAX)
    expect((await finished(queue, id)).state).toBe('completed')
    expect((await finished(queue, behind)).state).toBe('completed')
    const { rows } = await stage.sql.query(
      'select run_id from turns where agent_id = $1 order by seq',
      [agent],
    )
    expect(rows.map(({ run_id }) => run_id)).toEqual([id, behind])
  })

  function environment(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      DATABASE_URL: stage.product.databaseUrl,
      REDIS_URL: stage.product.config.redisUrl ?? '',
      PALIMPSEST_ALLOW_UNSAFE_DURABILITY: '1',
      PALIMPSEST_DATA_DIR: stage.product.config.dataDir,
      OPENAI_BASE_URL: stage.model.url,
      OPENAI_API_KEY: 'none',
    }
  }

  /** Starts a turn as three workers would that died each time, and a fourth. */
  async function giveUp(runId: string, agentId: string): Promise<void> {
    const url = stage.product.databaseUrl
    const reads = createPool(url, { max: 2 })
    const writes = createPool(url, { max: WRITER_CONNECTIONS, settings: WRITER_SETTINGS })
    const writer = new Writer({ writes, reads, project })
    const handler = new ChangeTurnHandler(writer)
    for (const n of [1, 2, 3, 4]) {
      const { rows } = await stage.sql.query(
        'update mailboxes set epoch = epoch + 1 where agent_id = $1 returning epoch',
        [agentId],
      )
      const change = { type: 'StartTurn', workerId: `dead-${n}`, first: null } as const
      const actor = { kind: 'system', id: `dead-${n}` } as const
      const by = { tenantId: 'default', actor, epoch: Number(rows[0].epoch) }
      await handler.execute(new ChangeTurn(runId, agentId, change, by))
    }
    await writer.close()
    await Promise.all([writes.end(), reads.end()])
  }
})
