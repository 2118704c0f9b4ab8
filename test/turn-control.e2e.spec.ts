import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import Letta from '@letta-ai/letta-client'
import { LettaClient } from 'letta-client-legacy'
import { gate, lastSaid, openTurnStage, type TurnStage } from './support/turn-stage.js'

let stage: TurnStage

beforeAll(async () => {
  // One place: a turn that waits for long must not keep it.
  stage = await openTurnStage({ env: { PALIMPSEST_TURNS: '1' } })
})

afterAll(async () => {
  await stage.close()
  expect(stage.product.logged).toEqual([])
})

beforeEach(() => stage.model.reset())

const insert = (new_string: string) => ({
  name: 'memory_insert',
  arguments: { label: 'notes', new_string },
})
/** Answers nothing while the test looks at the turn. */
const held = () => {
  const end = gate()
  return { ...end, step: { text: 'too late', holdUntil: end.opened } }
}
const types = async (runId: string): Promise<string[]> =>
  (await stage.events(runId)).map((event) => event.type)
const cancel = (runId: string) => stage.rest('POST', `/v1/runs/${runId}/cancel`)

describe('cancelling a run', () => {
  it('breaks off the call of the model at once; its edits stay and are listed', async () => {
    const block = await stage.block('a')
    const agent = await stage.agent([block])
    const wait = held()
    stage.model.script([{ toolCalls: [insert('b')] }, wait.step])
    const answer = stage.send(agent, 'go')
    await stage.model.requestsArrived(2)
    const [run] = (await stage.rest<{ id: string }[]>('GET', `/v1/runs?agent_id=${agent}`)).body
    const cancelled = await cancel(run?.id as string)
    await stage.model.requestsAbandoned(1)
    expect(cancelled).toMatchObject({
      status: 200,
      body: {
        status: 'cancelled',
        stop_reason: 'cancelled',
        edits: [{ block_id: block.id, version: 3 }],
      },
    })
    expect((await answer).body).toMatchObject({ stop_reason: { stop_reason: 'cancelled' } })
    expect((await types(run?.id as string)).slice(-2)).toEqual([
      'TurnCancelRequested',
      'TurnCancelled',
    ])
    const { body } = await stage.rest<{ value: string }>('GET', `/v1/blocks/${block.id}`)
    expect(body.value).toBe('a\nb')
    wait.open()
  })

  it('ends one that waits without a worker, and those behind it go on', async () => {
    const agent = await stage.agent()
    const wait = held()
    stage.model.script([wait.step, { text: 'third' }])
    const runs = []
    for (const text of ['first', 'second', 'third']) runs.push(await stage.sendAsync(agent, text))
    await stage.model.requestsArrived(1)
    expect((await cancel(runs[1] as string)).body).toMatchObject({ status: 'cancelled', edits: [] })
    expect(await types(runs[1] as string)).toEqual([
      'TurnQueued',
      'TurnCancelRequested',
      'TurnCancelled',
    ])
    wait.open()
    await stage.ended(...runs)
    stage.model.assertConsumed()
    expect((await stage.run(runs[2] as string)).status).toBe('completed')
  })

  it('once more changes nothing; what has ended by itself stays as it is', async () => {
    const agent = await stage.agent()
    stage.model.script([{ text: 'done' }])
    const done = await stage.sendAsync(agent, 'go')
    await stage.ended(done)
    expect((await cancel(done)).body).toMatchObject({
      status: 'completed',
      stop_reason: 'end_turn',
    })
    const wait = held()
    stage.model.script([wait.step])
    const run = await stage.sendAsync(agent, 'go')
    await stage.model.requestsArrived(2)
    const ends = await Promise.all([cancel(run), cancel(run), cancel(run)])
    expect(ends.map((end) => end.body.status)).toEqual(Array(3).fill('cancelled'))
    expect((await types(run)).filter((type) => /Cancel/.test(type))).toHaveLength(2)
    wait.open()
    const none = await stage.rest('POST', `/v1/agents/${agent}/messages/cancel`, {})
    expect(none).toMatchObject({ status: 409, body: { code: 'nothing_to_cancel' } })
    const other = await stage.agent()
    const strange = { run_ids: [run] }
    expect(await stage.rest('POST', `/v1/agents/${other}/messages/cancel`, strange)).toMatchObject({
      status: 404,
      body: { code: 'run_not_found' },
    })
  })

  it.each(['1.x', '0.x'])('works from client %s', async (generation) => {
    const agent = await stage.agent()
    const wait = held()
    stage.model.script([wait.step])
    const run = await stage.sendAsync(agent, 'go')
    await stage.model.requestsArrived(1)
    const url = stage.product.url
    const told =
      generation === '1.x'
        ? await new Letta({ apiKey: 'sk', baseURL: url }).agents.messages.cancel(agent, {})
        : await new LettaClient({ token: 'sk', baseUrl: url }).agents.messages.cancel(agent, {
            runIds: [run],
          })
    expect(told).toEqual({ [run]: 'cancelled' })
    wait.open()
  })
})

describe('a message for an agent that is busy', () => {
  it('waits by default, until a hundred do', async () => {
    const agent = await stage.agent()
    const wait = held()
    stage.model.routeBy(() => wait.step)
    const texts = Array.from({ length: 104 }, (_, i) => `message ${i}`)
    const path = `/v1/agents/${agent}/messages/async`
    const answers = await Promise.all(texts.map((input) => stage.rest('POST', path, { input })))
    const refused = answers.filter((answer) => answer.status !== 200)
    expect(refused.map((answer) => [answer.status, answer.body.code])).toEqual(
      Array(4).fill([429, 'mailbox_full']),
    )
    expect(refused[0]?.headers).toHaveProperty('retry-after')
    const all = await stage.rest('POST', `/v1/agents/${agent}/messages/cancel`, {})
    expect(Object.values(all.body)).toEqual(Array(100).fill('cancelled'))
    wait.open()
  })

  it('is refused by policy reject, also when many come at the same moment', async () => {
    const agent = await stage.agent()
    const wait = held()
    stage.model.routeBy(() => wait.step)
    const path = `/v1/agents/${agent}/messages/async`
    const body = { input: 'go', policy: 'reject' }
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => stage.rest('POST', path, body)),
    )
    const [accepted, ...more] = answers.filter((answer) => answer.status === 200)
    expect(more).toEqual([])
    const refused = answers.filter((answer) => answer !== accepted)
    for (const answer of refused) {
      expect(answer).toMatchObject({ status: 409, body: { code: 'agent_busy' } })
      expect(answer.headers['x-should-retry']).toBe('false')
    }
    const later = await stage.rest('POST', path, body)
    expect(later.body).toMatchObject({ code: 'agent_busy', run_id: accepted?.body.id })
    wait.open()
    await stage.ended(accepted?.body.id as string)
    const last = await stage.rest<{ id: string }>('POST', path, body)
    expect(last.status).toBe(200)
    await stage.ended(last.body.id)
  })

  it('takes the running turn’s place by policy interrupt; what that one did stays', async () => {
    const block = await stage.block('a')
    const agent = await stage.agent([block])
    const wait = held()
    stage.model.script([{ toolCalls: [insert('b')] }, wait.step, { text: 'instead' }])
    const first = await stage.sendAsync(agent, 'first')
    await stage.model.requestsArrived(2)
    const second = await stage.send(agent, 'second', { policy: 'interrupt' })
    expect(second.body).toMatchObject({ stop_reason: { stop_reason: 'end_turn' } })
    const { body } = await stage.rest('GET', `/v1/runs/${first}`)
    expect(body).toMatchObject({ status: 'cancelled' })
    const [asked] = await stage.events(first, /^TurnCancelRequested$/)
    expect(asked?.payload).toMatchObject({ interrupted_by: expect.stringMatching(/^run-/) })
    const sent = stage.model.requests.at(-1)
    expect(sent && lastSaid(sent).text).toBe('second')
    expect(JSON.stringify(sent?.messages)).toContain('a\\nb')
    wait.open()
  })
})

describe('what bounds a turn', () => {
  const ended = async (runId: string) => {
    await stage.ended(runId)
    const { body } = await stage.rest<Record<string, unknown>>('GET', `/v1/runs/${runId}`)
    return body
  }
  const startWith = async (agent: string, more: object): Promise<string> => {
    const body = { input: 'go', ...more }
    const path = `/v1/agents/${agent}/messages/async`
    return (await stage.rest<{ id: string }>('POST', path, body)).body.id
  }

  it('a deadline breaks off a running call, and ends a turn that still waits', async () => {
    const agent = await stage.agent()
    const wait = held()
    stage.model.script([wait.step])
    const running = await startWith(agent, { deadline_ms: 3_000 })
    const waiting = await startWith(agent, { deadline_ms: 1_000 })
    await stage.model.requestsArrived(1)
    for (const run of [waiting, running]) {
      expect(await ended(run)).toMatchObject({
        status: 'failed',
        metadata: { error: { class: 'Deadline' } },
      })
    }
    await stage.model.requestsAbandoned(1)
    expect(await types(waiting)).toEqual(['TurnQueued', 'TurnFailed'])
    wait.open()
  })

  it('tokens: the call that would exceed them is not made, the one before it is held to the rest', async () => {
    const block = await stage.block('a')
    const agent = await stage.agent([block])
    const usage = { prompt_tokens: 3_000, completion_tokens: 900, total_tokens: 3_900 }
    stage.model.script([{ toolCalls: [insert('b')], usage }])
    const run = await ended(await startWith(agent, { max_tokens: 4_000 }))
    expect(run).toMatchObject({
      status: 'failed',
      stop_reason: 'max_tokens_exceeded',
      metadata: { error: { class: 'Budget.Tokens' } },
    })
    expect(stage.model.requests).toHaveLength(1)
    const sent = stage.model.requests[0]?.body as { max_tokens?: number }
    expect(sent.max_tokens).toBeLessThan(4_000)
    expect(sent.max_tokens).toBeGreaterThan(1_000)
  })

  it('tokens of a day: the call that would exceed them is not made, until the bound is taken away', async () => {
    const agent = await stage.agent()
    const path = `/v1/agents/${agent}`
    const bound = async (max_tokens_per_day: number | null) =>
      (await stage.rest('PATCH', path, { max_tokens_per_day })).body
    expect(await bound(4_000)).toMatchObject({ max_tokens_per_day: 4_000 })
    const usage = { prompt_tokens: 3_000, completion_tokens: 990, total_tokens: 3_990 }
    stage.model.script([{ text: 'one', usage }, { text: 'three' }])
    expect(await ended(await startWith(agent, {}))).toMatchObject({ status: 'completed' })
    expect(await ended(await startWith(agent, {}))).toMatchObject({
      status: 'failed',
      stop_reason: 'max_tokens_exceeded',
      metadata: { error: { class: 'Budget.Tokens' } },
    })
    // Turns of another day do not count.
    await stage.sql.query(
      `update turns set queued_at = now() - interval '1 day' where agent_id = $1`,
      [agent],
    )
    expect(await ended(await startWith(agent, {}))).toMatchObject({ status: 'completed' })
    expect(await bound(null)).toMatchObject({ max_tokens_per_day: null })
    stage.model.assertConsumed()
  })
})

describe('a turn that waits for its provider', () => {
  it('is parked: its place goes to others, its agent’s later turns wait, then it goes on', async () => {
    const [slow, quick] = [await stage.agent(), await stage.agent()]
    await stage.rest('PATCH', `/v1/agents/${quick}`, { model: 'local/gpt-4o-mini' })
    const limited = { status: 429, headers: { 'retry-after': '3' }, body: { error: {} } }
    stage.model.script([limited, { text: 'quick' }, { text: 'slow' }, { text: 'behind' }])
    const first = await stage.sendAsync(slow, 'first')
    const behind = await stage.sendAsync(slow, 'behind')
    await stage.model.requestsArrived(1)
    const other = await stage.send(quick, 'go')
    expect(other.body).toMatchObject({ stop_reason: { stop_reason: 'end_turn' } })
    expect((await stage.run(first)).status).toBe('running')
    expect(await types(first)).toEqual([
      'TurnQueued',
      'TurnStarted',
      'ModelRequested',
      'ModelRetryScheduled',
      'TurnParked',
    ])
    await stage.ended(first, behind)
    stage.model.assertConsumed()
    expect((await types(first)).slice(-3)).toEqual([
      'TurnResumed',
      'ModelResponded',
      'TurnCompleted',
    ])
    const [parked] = await stage.events(first, /^TurnParked$/)
    const { rows } = await stage.sql.query(
      `select recorded_at >= $2 as waited from events where stream_id = $1 and type = 'TurnResumed'`,
      [first, parked?.payload.until],
    )
    expect(rows).toEqual([{ waited: true }])
  })

  it('keeps all others with its key from asking: they are parked, and have lost no attempt', async () => {
    const [limited, other] = [await stage.agent(), await stage.agent()]
    const step = { status: 429, headers: { 'retry-after': '3' }, body: { error: {} } }
    stage.model.script([step, { text: 'done' }, { text: 'done' }])
    const first = await stage.sendAsync(limited, 'go')
    await stage.model.requestsArrived(1)
    const second = await stage.sendAsync(other, 'go')
    await stage.ended(first, second)
    stage.model.assertConsumed()
    const told = await types(second)
    expect(told).not.toContain('ModelRetryScheduled')
    expect(told.slice(0, 4)).toEqual(['TurnQueued', 'TurnStarted', 'ModelRequested', 'TurnParked'])
    const [parked] = await stage.events(second, /^TurnParked$/)
    expect(parked?.payload.reason).toBe('model_breaker')
    expect((await stage.run(second)).status).toBe('completed')
    const { rows } =
      await stage.sql.query(`select failures, openings, open_until from model_breakers
      where limited_as like 'openai:%'`)
    expect(rows).toEqual([{ failures: 0, openings: 0, open_until: null }])
  })
})

describe('a run that failed', () => {
  it('is tried again from its last recorded step, and repeats nothing', async () => {
    const block = await stage.block('a')
    const agent = await stage.agent([block])
    const broken = { status: 400, body: { error: { message: 'no' } } }
    stage.model.script([{ toolCalls: [insert('b')] }, broken, { text: 'done' }])
    const run = await stage.sendAsync(agent, 'go')
    await stage.ended(run)
    expect((await stage.run(run)).status).toBe('failed')
    const again = await stage.rest('POST', `/v1/runs/${run}/retry`)
    expect(again).toMatchObject({ status: 200, body: { status: 'created' } })
    await stage.ended(run)
    stage.model.assertConsumed()
    expect((await stage.run(run)).status).toBe('completed')
    const { body } = await stage.rest<{ value: string }>('GET', `/v1/blocks/${block.id}`)
    expect(body.value).toBe('a\nb')
    expect(await stage.rest('POST', `/v1/runs/${run}/retry`)).toMatchObject({
      status: 409,
      body: { code: 'run_not_failed' },
    })
  })
})
