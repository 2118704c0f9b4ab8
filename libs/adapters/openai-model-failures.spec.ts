import { createServer } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { ModelFailure, type ModelRequest } from '#turns/ports.js'
import { type ModelStep, ScriptedModelServer } from '../../test/support/model-server.js'
import { OpenAIModel } from './openai-model.js'

const NEVER = new AbortController().signal
const REQUEST: ModelRequest = {
  model: 'openai/gpt-4o-mini',
  messages: [{ role: 'user', content: 'hello' }],
  tools: [],
}

let server: ScriptedModelServer
let model: OpenAIModel

beforeAll(async () => {
  server = await ScriptedModelServer.start()
})

beforeEach(() => {
  model = modelAt(server.url)
})

afterEach(() => {
  try {
    server.assertConsumed()
  } finally {
    server.reset()
  }
})

afterAll(() => server.close())

let wire: 'chat' | 'responses' = 'chat'

function modelAt(baseUrl: string, timeoutsMs: { firstByte?: number; idle?: number } = {}) {
  return new OpenAIModel({
    wire,
    apiKey: null,
    baseUrl,
    provider: 'openai',
    simulated: false,
    timeoutsMs,
  })
}

async function failure(step: ModelStep, asked = modelAt(server.url)): Promise<ModelFailure> {
  server.script([step])
  return failed(asked.respond(REQUEST, NEVER))
}

async function failed(answer: Promise<unknown>): Promise<ModelFailure> {
  const error = await answer.then(
    () => null,
    (e: unknown) => e,
  )
  expect(error).toBeInstanceOf(ModelFailure)
  return error as ModelFailure
}

describe.each(['chat', 'responses'] as const)('a failure over %s', (spoken) => {
  beforeAll(() => {
    wire = spoken
  })

  it('429 is RateLimited with the wait the provider asks for, and is asked once only', async () => {
    const error = await failure({
      status: 429,
      headers: { 'retry-after': '7' },
      body: { error: { message: 'slow down', code: 'rate_limit_exceeded' } },
    })
    expect(error.failureClass).toBe('Provider.RateLimited')
    expect(error.detail).toEqual({ provider: 'openai', upstreamStatus: 429, retryAfterMs: 7_000 })
    expect(error.message).toBe('openai answered 429: slow down')
    expect(server.requests).toHaveLength(1)
  })

  it('of a server is Overloaded, of the request BadRequest, each with the status', async () => {
    const expected: [number, string][] = [
      [500, 'Provider.Overloaded'],
      [503, 'Provider.Overloaded'],
      [400, 'Provider.BadRequest'],
      [401, 'Provider.BadRequest'],
      [403, 'Provider.BadRequest'],
      [404, 'Provider.BadRequest'],
      [408, 'Provider.Timeout'],
    ]
    for (const [status, failureClass] of expected) {
      const error = await failure({ status, body: { error: { message: 'no' } } })
      expect([error.detail.upstreamStatus, error.failureClass]).toEqual([status, failureClass])
    }
  })

  it('tells a full context, a content filter and an empty account apart', async () => {
    const of = async (status: number, error: object) =>
      (await failure({ status, body: { error } })).failureClass
    expect(await of(400, { code: 'context_length_exceeded', message: '' })).toBe('ContextOverflow')
    expect(await of(400, { message: "This model's maximum context length is 4096 tokens" })).toBe(
      'ContextOverflow',
    )
    expect(await of(400, { code: 'content_filter', message: 'no' })).toBe('Provider.Refused')
    expect(await of(429, { code: 'insufficient_quota', message: 'pay' })).toBe(
      'Provider.BadRequest',
    )
    const filtered = await failure({ text: null, finishReason: 'content_filter' })
    expect(filtered.failureClass).toBe('Provider.Refused')
  })

  it('hidden in a 200 is one all the same', async () => {
    const raw = JSON.stringify({ error: { message: 'busy', code: 429 } })
    expect((await failure({ raw })).failureClass).toBe('Provider.RateLimited')
  })

  it('of a body cut short is Overloaded: the next one may be whole', async () => {
    for (const step of [{ raw: '{"choices": [{"mess' }, { cut: '{"choices": [' }, { raw: '{}' }]) {
      expect((await failure(step)).failureClass).toBe('Provider.Overloaded')
    }
  })

  it('of a hung socket is a Timeout, before the headers and after them', async () => {
    const silent = await failure({ hang: true }, modelAt(server.url, { firstByte: 500 }))
    const stalled = await failure({ stall: true }, modelAt(server.url, { idle: 50 }))
    expect([silent.failureClass, stalled.failureClass]).toEqual([
      'Provider.Timeout',
      'Provider.Timeout',
    ])
  })

  it('of a server that is not there is Overloaded and says why', async () => {
    const port = await unusedPort()
    const error = await failed(modelAt(`http://127.0.0.1:${port}/v1`).respond(REQUEST, NEVER))
    expect(error.failureClass).toBe('Provider.Overloaded')
    expect(error.message).toContain('ECONNREFUSED')
  })

  it('does not repeat the key', async () => {
    const options = { wire, baseUrl: server.url, provider: 'openai', simulated: false }
    const keyed = new OpenAIModel({ ...options, apiKey: 'sk-secret-123' })
    const body = { error: { message: 'Incorrect API key provided: sk-secret-123' } }
    const error = await failure({ status: 401, body }, keyed)
    expect(error.message).toBe('openai answered 401: Incorrect API key provided: [key]')
  })
})

describe('an abort', () => {
  it('rejects with the reason of the signal and hangs up', async () => {
    server.script([{ hang: true }])
    const abort = new AbortController()
    const answer = model.respond(REQUEST, abort.signal)
    await server.requestsArrived(1)
    const reason = new Error('the user cancelled')
    abort.abort(reason)
    await expect(answer).rejects.toBe(reason)
    await server.requestsAbandoned(1)
  })

  it('before the call asks nobody', async () => {
    const reason = new Error('too late')
    await expect(model.respond(REQUEST, AbortSignal.abort(reason))).rejects.toBe(reason)
    expect(server.requests).toHaveLength(0)
  })
})

/** A port that was free a moment ago. */
function unusedPort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}
