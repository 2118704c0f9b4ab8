import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import type { RunningWorker, WorkerOptions } from '../apps/worker/worker.js'
import { until } from './support/feed-load.js'
import { gate, lastSaid, openTurnStage, type TurnStage } from './support/turn-stage.js'

/** From the signal to the end of the process, in the middle of a turn. */
const STOPPED_WITHIN_MS = 1_500

let stage: TurnStage
let workers: RunningWorker[] = []
let children: ChildProcess[] = []

beforeAll(async () => {
  stage = await openTurnStage({ workers: 0 })
})

afterAll(() => stage.close())

afterEach(async () => {
  for (const worker of workers) await worker.close()
  for (const child of children) child.kill('SIGKILL')
  workers = []
  children = []
  stage.model.reset()
  stage.product.logged.length = 0
})

async function startWorker(options: Partial<WorkerOptions> = {}): Promise<RunningWorker> {
  const worker = await stage.product.startWorker(options)
  workers.push(worker)
  return worker
}

/** A worker of the build, as a process of its own. */
async function startProcess(): Promise<ChildProcess> {
  const env = {
    ...process.env,
    DATABASE_URL: stage.product.databaseUrl,
    // Empty counts as absent, whatever the environment of the test run says.
    REDIS_URL: '',
    PALIMPSEST_ALLOW_UNSAFE_DURABILITY: '1',
    PALIMPSEST_DATA_DIR: stage.product.config.dataDir,
    OPENAI_BASE_URL: stage.model.url,
    OPENAI_API_KEY: 'none',
  }
  const child = fork(join('dist', 'apps', 'worker', 'main.js'), { env })
  children.push(child)
  expect(await once(child, 'message')).toMatchObject([{ type: 'ready' }])
  return child
}

const insert = (new_string: string) => ({
  toolCalls: [{ name: 'memory_insert', arguments: { label: 'notes', new_string } }],
})
const TERMINAL = /^Turn(Completed|Failed|DeadLettered)$/

describe('a worker that stops in the middle of a turn', () => {
  it('leaves it to another, which asks exactly what was asked before and repeats nothing recorded', async () => {
    const block = await stage.block('a')
    const agent = await stage.agent([block])
    await startWorker()
    stage.model.script([{ text: 'earlier' }, insert('b'), { hang: true }])
    await stage.send(agent, 'one')
    const runId = await stage.sendAsync(agent, 'two')
    await stage.model.requestsArrived(3)
    await workers[0]?.close()

    const other = await stage.block('new')
    await stage.rest('PATCH', `/v1/blocks/${block.id}`, { value: 'changed', label: 'renamed' })
    await stage.rest('PATCH', `/v1/agents/${agent}`, { system: 'You are somebody else.' })
    await stage.rest('PATCH', `/v1/agents/${agent}/core-memory/blocks/attach/${other.id}`)
    stage.model.script([{ text: 'done' }])
    await startWorker()
    await stage.ended(runId)
    stage.model.assertConsumed()
    const [, , before, after] = stage.model.requests
    expect(JSON.stringify(after?.body)).toBe(JSON.stringify(before?.body))
    expect((await stage.events(runId)).map((event) => event.type)).toEqual([
      'TurnQueued',
      'TurnStarted',
      'ModelRequested',
      'ModelResponded',
      'ToolCalled',
      'ToolReturned',
      'ModelRequested',
      'TurnStarted',
      'ModelResponded',
      'TurnCompleted',
    ])
    expect(await stage.events(block.id, /^TextInserted$/)).toHaveLength(1)
  })

  it('leaves a summary that is not recorded to be asked for again in the same words, and one that is to be used', async () => {
    const agent = await stage.agent()
    await startWorker()
    stage.model.routeBy(() => ({ text: 'well' }))
    const long = 'many words '.repeat(600)
    for (const n of [1, 2, 3]) await stage.send(agent, `${n} ${long}`)
    await stage.rest('PATCH', `/v1/agents/${agent}`, { context_window_limit: 8_000 })
    const summaries: string[] = []
    stage.model.routeBy(({ body, messages }) => {
      if (!messages[0]?.content?.startsWith('Summarise')) return { text: 'done' }
      summaries.push(JSON.stringify(body))
      return summaries.length === 1 ? { hang: true } : { text: 'SUMMARY' }
    })
    const runId = await stage.sendAsync(agent, `4 ${long}`)
    await stage.model.requestsArrived(4)
    await workers[0]?.close()
    const compacted = gate()
    let closing: Promise<void> | undefined
    const second = await startWorker({
      onCommit(point) {
        if (point !== 'compacted') return
        closing = second.close()
        compacted.open()
      },
    })
    await compacted.opened
    await closing
    await startWorker()
    await stage.ended(runId)
    expect(summaries).toHaveLength(2)
    expect(summaries[1]).toBe(summaries[0])
    expect((await stage.events(runId)).map((event) => event.type)).toEqual([
      ...['TurnQueued', 'TurnStarted', 'CompactionRequested', 'TurnStarted', 'ContextCompacted'],
      ...['TurnStarted', 'ModelRequested', 'ModelResponded', 'TurnCompleted'],
    ])
    expect(stage.model.requests.at(-1)?.messages[1]?.content).toContain('SUMMARY')
    const { body } = await stage.rest('GET', `/v1/runs/${runId}/context`)
    expect(body).toMatchObject({ verified: true })
  })

  it('keeps the pause a failed call was given', async () => {
    const agent = await stage.agent()
    const scheduled = gate()
    await startWorker({ onCommit: (point) => point === 'retry scheduled' && scheduled.open() })
    const asked: number[] = []
    stage.model.routeBy(() => {
      asked.push(Date.now())
      return asked.length > 1 ? { text: 'done' } : { status: 429, headers: { 'retry-after': '1' } }
    })
    const runId = await stage.sendAsync(agent, 'go')
    await scheduled.opened
    await workers[0]?.close()
    await startWorker()
    await stage.ended(runId)
    const [retry, ...more] = await stage.events(runId, /^ModelRetryScheduled$/)
    expect(more).toEqual([])
    expect(asked).toHaveLength(2)
    expect(asked[1]).toBeGreaterThanOrEqual(Date.parse(retry?.payload.not_before))
  })

  it('is out soon after SIGINT, as a process of its own', async () => {
    const agent = await stage.agent()
    const child = await startProcess()
    const ended = once(child, 'exit')
    stage.model.script([{ hang: true }])
    const runId = await stage.sendAsync(agent, 'go')
    await stage.model.requestsArrived(1)
    const told = performance.now()
    child.kill('SIGINT')
    expect(await ended).toEqual([0, null])
    expect(performance.now() - told).toBeLessThan(STOPPED_WITHIN_MS)
    stage.model.script([{ text: 'done' }])
    await startWorker()
    await stage.ended(runId)
    expect(await stage.run(runId)).toMatchObject({ status: 'completed' })
  })

  it('by SIGTERM ends the step it is at, and begins none; another goes on at once, and asks nothing twice', async () => {
    const block = await stage.block('a')
    const agents = [await stage.agent([block]), await stage.agent([block])]
    const child = await startProcess()
    const ended = once(child, 'exit')
    const told = gate()
    stage.model.script(
      [insert('b'), insert('c')].map((step) => ({ ...step, holdUntil: told.opened })),
    )
    const runs = await Promise.all(agents.map((agent) => stage.sendAsync(agent, 'go')))
    await stage.model.requestsArrived(2)
    await startWorker()
    child.kill('SIGTERM')
    // Whoever finds a dead one deals it nothing.
    const draining = 'select from workers where places = 0'
    await until(async () => (await stage.sql.query(draining)).rowCount === 1)
    stage.model.script([{ text: 'done' }, { text: 'done' }])
    told.open()
    expect(await ended).toEqual([0, null])
    await stage.ended(...runs)
    stage.model.assertConsumed()
    for (const runId of runs) {
      const events = await stage.events(runId)
      const starts = events.filter((event) => event.type === 'TurnStarted')
      expect(starts.map((event) => event.payload.worker_id)).toEqual([
        expect.any(String),
        workers[0]?.workerId,
      ])
      expect(events.map((event) => event.type).slice(-5)).toEqual([
        'ToolReturned',
        'ModelRequested',
        'TurnStarted',
        'ModelResponded',
        'TurnCompleted',
      ])
    }
  })

  it('is out at once by a second signal', async () => {
    const agent = await stage.agent()
    const child = await startProcess()
    const ended = once(child, 'exit')
    stage.model.script([{ hang: true }])
    const runId = await stage.sendAsync(agent, 'go')
    await stage.model.requestsArrived(1)
    child.kill('SIGTERM')
    // Within half a second a repetition is taken for an echo of the first.
    const again = setInterval(() => child.kill('SIGTERM'), 50)
    expect(await ended).toEqual([130, null])
    clearInterval(again)
    stage.model.script([{ text: 'done' }])
    await startWorker()
    await stage.ended(runId)
  })
})

describe('a worker that has lost its agent', () => {
  it('writes nothing more; who has the agent now finishes the turn', async () => {
    const block = await stage.block('a')
    const agent = await stage.agent([block])
    await startWorker()
    const late = gate()
    stage.model.script([
      { ...insert('late'), holdUntil: late.opened },
      insert('b'),
      { text: 'done' },
    ])
    const runId = await stage.sendAsync(agent, 'go')
    await stage.model.requestsArrived(1)
    await stage.sql.query(
      'update mailboxes set epoch = epoch + 1, owner = null where agent_id = $1',
      [agent],
    )
    await startWorker()
    await stage.model.requestsArrived(2)
    late.open()
    await stage.ended(runId)
    await Promise.all(workers.map((worker) => worker.close()))
    stage.model.assertConsumed()
    const events = await stage.events(runId)
    expect(events.filter((event) => event.type === 'ModelResponded')).toHaveLength(2)
    expect(events.filter((event) => TERMINAL.test(event.type))).toHaveLength(1)
    expect(events.at(-1)?.type).toBe('TurnCompleted')
    const edits = await stage.events(block.id, /^Text/)
    expect(edits.map((event) => event.payload.intent.text)).toEqual(['b'])
    expect(stage.product.logged).toEqual([])
  })
})

describe('a turn that cannot be finished', () => {
  it('is dead-lettered after three starts without progress, and its agent goes on', async () => {
    const agent = await stage.agent()
    stage.model.routeBy((request) =>
      lastSaid(request).text === 'poison' ? { hang: true } : { text: 'fine' },
    )
    const poison = await stage.sendAsync(agent, 'poison')
    const next = await stage.sendAsync(agent, 'next')
    for (let start = 1; start <= 3; start++) {
      const worker = await startWorker()
      await stage.model.requestsArrived(start)
      await worker.close()
    }
    await startWorker()
    await stage.ended(poison, next)
    expect(await stage.events(poison, /^TurnStarted$/)).toHaveLength(3)
    const [end] = await stage.events(poison, TERMINAL)
    expect(end).toMatchObject({ type: 'TurnDeadLettered', payload: { attempts: 3 } })
    expect(await stage.run(poison)).toMatchObject({ status: 'failed', stop_reason: 'error' })
    expect(await stage.run(next)).toMatchObject({ status: 'completed' })
    const answer = await stage.send(agent, 'last')
    expect(answer.body.messages).toMatchObject([{ content: 'fine' }])
  })

  it('because its agent cannot be read is given up too, in few tries; other agents go on', async () => {
    const agent = await stage.agent()
    await startWorker()
    stage.model.routeBy(() => ({ text: 'fine' }))
    await stage.sql.query(
      `insert into events (tenant_id, stream_id, version, type, schema, actor, command_id, recorded_at,
                           payload, salt, payload_hash, prev_hash, hash)
       select tenant_id, stream_id, 1000, 'FromTheFuture', 1, actor, 'future', recorded_at,
              payload, salt, payload_hash, prev_hash, hash
         from events where stream_id = $1 and version = 1`,
      [agent],
    )
    const runId = await stage.sendAsync(agent, 'go')
    const healthy = await stage.agent()
    expect((await stage.send(healthy, 'go')).status).toBe(200)
    await stage.ended(runId)
    expect((await stage.events(runId, TERMINAL))[0]?.type).toBe('TurnDeadLettered')
    const { rows } = await stage.sql.query('select epoch from mailboxes where agent_id = $1', [
      agent,
    ])
    expect(Number(rows[0].epoch)).toBe(4)
    expect(stage.product.logged.join('\n')).toContain('FromTheFuture')
  })

  it('because its agent was deleted before it began fails and says so; the model is not asked', async () => {
    const agent = await stage.agent()
    const runId = await stage.sendAsync(agent, 'go')
    expect((await stage.rest('DELETE', `/v1/agents/${agent}`)).status).toBe(200)
    await startWorker()
    await stage.ended(runId)
    const [end] = await stage.events(runId, TERMINAL)
    expect(end).toMatchObject({ type: 'TurnFailed', payload: { class: 'NotFound' } })
    expect(stage.model.requests).toEqual([])
  })
})
