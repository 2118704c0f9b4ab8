import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { until } from './support/feed-load.js'
import { startProduct } from './support/product.js'
import { makeAgent, restOf } from './support/rest.js'
import { openTurnStage, type TurnStage } from './support/turn-stage.js'

const FIRST_BYTE_MS = 400

let stage: TurnStage

beforeAll(async () => {
  stage = await openTurnStage({
    worker: { modelTimeoutsMs: { firstByte: FIRST_BYTE_MS } },
  })
})

afterAll(async () => {
  await stage.close()
  expect(stage.product.logged).toEqual([])
})

beforeEach(() => stage.model.reset())

/** What an answer says of its run. */
const outcome = (answer: { body: Record<string, unknown> }) =>
  answer.body as { messages: { run_id: string }[]; stop_reason: { stop_reason: string } }
const runOf = (answer: { body: Record<string, unknown>; headers: object }): string =>
  String((answer.headers as Record<string, unknown>)['x-run-id'] ?? answer.body.run_id)

describe('a model that fails', () => {
  it('429 with Retry-After is waited out: the pause is recorded, one answer comes', async () => {
    const agent = await stage.agent()
    const asked: number[] = []
    const noting = <S extends object>(step: S) => ({
      respond() {
        asked.push(Date.now())
        return step
      },
    })
    stage.model.script([
      noting({
        status: 429,
        headers: { 'retry-after': '1' },
        body: { error: { message: 'slow' } },
      }),
      noting({ text: 'done' }),
    ])
    const answer = await stage.send(agent, 'go')
    expect(answer.status).toBe(200)
    const events = await stage.events(runOf(answer))
    expect(events.map((event) => event.type)).toEqual([
      'TurnQueued',
      'TurnStarted',
      'ModelRequested',
      'ModelRetryScheduled',
      'ModelResponded',
      'TurnCompleted',
    ])
    const { not_before, ...retry } = events[3]?.payload ?? {}
    expect(retry).toEqual({ step: 1, class: 'Provider.RateLimited', attempt: 1 })
    expect(asked[1]).toBeGreaterThanOrEqual(Date.parse(not_before))
    expect((asked[1] as number) - (asked[0] as number)).toBeGreaterThanOrEqual(1_000)
  })

  it('500 once: asked again, the turn completes', async () => {
    const agent = await stage.agent()
    stage.model.script([{ status: 500, headers: { 'retry-after-ms': '1' } }, { text: 'done' }])
    const answer = await stage.send(agent, 'go')
    expect(answer.status).toBe(200)
    expect(outcome(answer).stop_reason.stop_reason).toBe('end_turn')
    stage.model.assertConsumed()
  })

  it('500 for ever: five calls, then 502 model_unavailable with the facts, and a failed run', async () => {
    const agent = await stage.agent()
    stage.model.routeBy(() => ({
      status: 500,
      headers: { 'retry-after-ms': '1' },
      body: { error: { message: 'overloaded' } },
    }))
    const answer = await stage.send(agent, 'go')
    expect(answer.faults()).toEqual([])
    expect(answer.status).toBe(502)
    expect(answer.headers['x-should-retry']).toBe('false')
    expect(answer.body).toMatchObject({
      code: 'model_unavailable',
      provider: 'openai',
      upstream_status: 500,
      attempts: 5,
      class: 'Provider.Overloaded',
      detail: expect.stringContaining('overloaded'),
    })
    expect(stage.model.requests).toHaveLength(5)
    const run = await stage.run(runOf(answer))
    expect(run).toMatchObject({ status: 'failed', stop_reason: 'llm_api_error' })
  })

  it('401: one call, 502 that names the status', async () => {
    const agent = await stage.agent()
    stage.model.script([{ status: 401, body: { error: { message: 'wrong key' } } }])
    const answer = await stage.send(agent, 'go')
    expect(answer.status).toBe(502)
    expect(answer.body).toMatchObject({ code: 'model_unavailable', upstream_status: 401 })
    stage.model.assertConsumed()
  })

  it('a socket that hangs is left after the limit and asked again', async () => {
    const agent = await stage.agent()
    stage.model.script([{ hang: true }, { text: 'done' }])
    const answer = await stage.send(agent, 'go')
    expect(answer.status).toBe(200)
    const [retry] = await stage.events(runOf(answer), /^ModelRetryScheduled$/)
    expect(retry?.payload).toMatchObject({ class: 'Provider.Timeout', attempt: 1 })
    expect(stage.model.abandoned).toHaveLength(1)
  })

  it('after a failed turn the agent takes the next one', async () => {
    const agent = await stage.agent()
    stage.model.script([{ status: 400 }, { text: 'done' }])
    expect((await stage.send(agent, 'one')).status).toBe(502)
    expect((await stage.send(agent, 'two')).status).toBe(200)
    const texts = stage.model.requests[1]?.messages.map((message) => message.content)
    expect(texts?.slice(1)).toEqual(['one', 'two'])
  })
})

describe('a model that writes what cannot be kept', () => {
  it('NUL and lone surrogates in its text are removed, and the record says so', async () => {
    const agent = await stage.agent()
    stage.model.script([{ text: 'a\0b\ud800c' }])
    const answer = await stage.send(agent, 'go')
    expect(answer.body.messages).toMatchObject([{ content: 'abc' }])
    const [reply] = await stage.events(runOf(answer), /^ModelResponded$/)
    expect(reply?.payload).toMatchObject({ repaired: true, response: { content: 'abc' } })
  })

  it('an answer without usage is estimated, and the record says so', async () => {
    const agent = await stage.agent()
    stage.model.script([{ text: 'hello', usage: null }])
    const answer = await stage.send(agent, 'go')
    const [reply] = await stage.events(runOf(answer), /^ModelResponded$/)
    expect(reply?.payload.usage).toMatchObject({ estimated: true, completion_tokens: 2 })
  })
})

describe('without a provider', () => {
  it('a turn fails and says how to mend it; nothing is simulated', async () => {
    const product = await startProduct({ env: { PALIMPSEST_SIMULATED: 'never' } })
    try {
      const rest = restOf(product.port)
      const agent = await makeAgent(rest)
      const answer = await rest('POST', `/v1/agents/${agent.id}/messages`, { input: 'go' })
      expect(answer.status).toBe(502)
      expect(answer.body).toMatchObject({
        code: 'model_unavailable',
        detail: expect.stringMatching(/^No model provider is configured: set OPENAI_API_KEY or /),
      })
      expect(answer.headers['x-palimpsest-simulated']).toBeUndefined()
      const run = await rest('GET', `/v1/runs/${answer.body.run_id}`)
      expect(run.body).toMatchObject({ status: 'failed', simulated: false })
      expect(product.logged).toEqual([])
    } finally {
      await product.close()
    }
  })
})

describe('with several providers', () => {
  it('an alias is resolved when the turn begins and both names are recorded; a strange name is refused', async () => {
    const base_url = stage.model.url
    const providers = { local: { base_url }, other: { base_url, wire: 'responses' } }
    const env = {
      PALIMPSEST_SIMULATED: 'never',
      PALIMPSEST_PROVIDERS: JSON.stringify(providers),
      PALIMPSEST_MODEL_ALIASES: 'fast=other/gpt-4.1',
    }
    const product = await startProduct({ env })
    try {
      const rest = restOf(product.port)
      stage.model.script([{ text: 'hello' }])
      const agent = await makeAgent(rest, [], { model: 'fast' })
      const { body: made } = await rest('GET', `/v1/agents/${agent.id}`)
      expect(made.llm_config).toMatchObject({ handle: 'fast', context_window: 1_047_576 })
      const send = (more: object) =>
        rest('POST', `/v1/agents/${agent.id}/messages`, { input: 'go', ...more })
      const answer = await send({})
      expect([answer.status, stage.model.requests[0]?.wire]).toEqual([200, 'responses'])
      const { body: context } = await rest('GET', `/v1/runs/${runOf(answer)}/context`)
      expect(context).toMatchObject({ model: 'other/gpt-4.1', verified: true })
      let asked: { payload: object } | undefined
      // A transaction of another spec may hold up the feed.
      await until(async () => {
        const { body } = await rest('GET', '/v1/events?types=ModelRequested')
        asked = (body.data as { payload: object }[])[0]
        return asked !== undefined
      })
      expect(asked?.payload).toMatchObject({ model: 'other/gpt-4.1', asked_as: 'fast' })
      const failed = await send({ override_model: 'openai/gpt-4o' })
      expect(failed).toMatchObject({ status: 502, body: { code: 'model_unavailable' } })
      const refused = await rest('PATCH', `/v1/agents/${agent.id}`, { model: 'openai/gpt-4o' })
      expect(refused).toMatchObject({
        status: 422,
        body: { code: 'invalid_argument', errors: [{ pointer: '/model' }] },
      })
      stage.model.assertConsumed()
      expect(product.logged).toEqual([])
    } finally {
      await product.close()
    }
  })
})
