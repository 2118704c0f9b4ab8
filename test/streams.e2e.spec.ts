import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import Letta from '@letta-ai/letta-client'
import { openApi, type RunningApi } from '../apps/api/api.js'
import type { RunningWorker } from '../apps/worker/worker.js'
import { goldenChunks } from './support/contract.js'
import { EventSource, type Message } from './support/event-source.js'
import { until } from './support/feed-load.js'
import { type LettaClients, lettaClients } from './support/letta-clients.js'
import type { ModelAnswer } from './support/model-server.js'
import { chunksOf, readCut, readStream, type StreamReader } from './support/run-streams.js'
import { gate, openTurnStage, type TurnStage } from './support/turn-stage.js'

/** Calls that wait begin to answer soon here. */
const DRIP = { afterMs: 60, everyMs: 20 }

let stage: TurnStage
let worker: RunningWorker
/** A second node, with the usual limits. */
let other: RunningApi
let clients: LettaClients

beforeAll(async () => {
  stage = await openTurnStage({ workers: 0, api: { drip: DRIP } })
  worker = await stage.product.startWorker()
  const { config, databaseUrl, logged } = stage.product
  other = await openApi({ ...config, port: 0 }, databaseUrl, {
    log: (message, error) => logged.push(`${message} ${error}`),
  })
  clients = lettaClients(stage.product.url)
})

afterAll(async () => {
  clients.restore()
  await other.close()
  await stage.close()
})

beforeEach(() => stage.model.reset())
afterEach(() => expect(clients.warnings()).toEqual([]))

const REASONING = 'The block is shared; I add one line.'
const WORDS = 'A literal [DONE] and a naïve → 🙂 must survive.'

/** A turn of two steps: an edit, then an answer. */
function twoSteps(last: Partial<ModelAnswer> = {}): ModelAnswer[] {
  return [
    {
      reasoning: REASONING,
      toolCalls: [
        { name: 'memory_insert', arguments: { label: 'notes', new_string: 'ünï [DONE] line' } },
      ],
    },
    { text: WORDS, ...last },
  ]
}

async function sharedAgent(): Promise<{ agent: string; block: string }> {
  const block = await stage.block('')
  return { agent: await stage.agent([block]), block: block.id }
}

const kinds = (chunks: readonly { message_type?: unknown }[]) => chunks.map((c) => c.message_type)

/** The same chunks without what differs from connection to connection. */
const durable = (chunks: readonly Record<string, unknown>[]) =>
  chunks.filter((chunk) => chunk.message_type !== 'ping')

describe('a turn as it goes', () => {
  it.each(['legacy', 'current'] as const)(
    'is read by the client of the %s generation, step by step',
    async (generation) => {
      const { agent } = await sharedAgent()
      stage.model.script(twoSteps())
      const messages = [{ role: 'user' as const, content: 'go' }]
      const stream =
        generation === 'legacy'
          ? await clients.legacy.agents.messages.createStream(agent, { messages })
          : await clients.current.agents.messages.create(agent, { messages, streaming: true })
      const chunks = await chunksOf(stream)
      expect(kinds(chunks)).toEqual([
        'ping',
        'reasoning_message',
        'tool_call_message',
        'tool_return_message',
        'assistant_message',
        'stop_reason',
        'usage_statistics',
      ])
      expect(chunks[4]).toMatchObject({ content: WORDS })
      expect(chunks[6]).toMatchObject({ step_count: 2, total_tokens: 30 })
      expect(chunks.every((chunk) => typeof chunk.seq_id === 'number')).toBe(true)
    },
  )

  it.each(['legacy', 'current'] as const)(
    'is read by the client of the %s generation, token by token: pieces of one id that add up',
    async (generation) => {
      const { agent } = await sharedAgent()
      const more = gate()
      stage.model.script(twoSteps({ pause: { after: 4, until: more.opened } }))
      const body = { messages: [{ role: 'user' as const, content: 'go' }] }
      const stream =
        generation === 'legacy'
          ? await clients.legacy.agents.messages.createStream(agent, {
              ...body,
              streamTokens: true,
            })
          : await clients.current.agents.messages.stream(agent, { ...body, stream_tokens: true })
      const chunks = await chunksOf(stream, (chunk) => {
        if (chunk.message_type === 'assistant_message') more.open()
      })
      const answers = chunks.filter((chunk) => chunk.message_type === 'assistant_message')
      expect(answers.length).toBeGreaterThan(1)
      expect(answers.map((chunk) => chunk.content).join('')).toBe(WORDS)
      expect(new Set(answers.map((chunk) => `${chunk.id} ${chunk.otid}`)).size).toBe(1)
      const seqs = chunks.filter((c) => c.message_type !== 'ping').map((c) => Number(c.seq_id))
      expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b))
    },
  )

  it.each([
    ['legacy', undefined],
    ['current', 'error_message'],
  ] as const)(
    'that fails is told so to the %s generation after the headers',
    async (generation, type) => {
      const { agent } = await sharedAgent()
      stage.model.script([
        twoSteps()[0] as ModelAnswer,
        { status: 400, body: { error: { message: 'no' } } },
      ])
      const messages = [{ role: 'user' as const, content: 'go' }]
      const failure: unknown[] = []
      const chunks: Record<string, unknown>[] = []
      const stream =
        generation === 'legacy'
          ? await clients.legacy.agents.messages.createStream(agent, { messages })
          : await clients.current.agents.messages.stream(agent, { messages })
      await chunksOf(stream, (chunk) => chunks.push(chunk)).catch((error) => failure.push(error))
      expect(kinds(chunks)).toEqual(expect.arrayContaining(['tool_return_message', 'stop_reason']))
      if (type) expect(failure[0]).toMatchObject({ error: { error_type: 'model_unavailable' } })
      else expect(chunks.at(-1)).toMatchObject({ error_type: 'model_unavailable' })
    },
  )

  it('that is cancelled ends so', async () => {
    const { agent } = await sharedAgent()
    stage.model.script([{ text: 'never', holdUntil: new Promise(() => {}) }])
    const stream = await clients.current.agents.messages.stream(agent, {
      messages: [{ role: 'user', content: 'go' }],
    })
    await stage.model.requestsArrived(1)
    await stage.rest('POST', `/v1/agents/${agent}/messages/cancel`, {})
    const chunks = await chunksOf(stream)
    expect(kinds(chunks)).toEqual(['ping', 'stop_reason', 'usage_statistics'])
    expect(chunks[1]).toMatchObject({ stop_reason: 'cancelled' })
  })

  it('is refused to old clients where the answer would be JSON', async () => {
    const { agent } = await sharedAgent()
    const headers = { 'user-agent': '@letta-ai/letta-client/0.1.211' }
    const path = `/v1/agents/${agent}/messages`
    const answer = await stage.rest('POST', path, { input: 'go', streaming: true }, headers)
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ pointer: '/streaming' }] } })
    expect(answer.faults()).toEqual([])
  })

  it('costs nothing where nobody reads it: the model is not even asked to stream', async () => {
    const { agent } = await sharedAgent()
    stage.model.script([{ text: 'done' }])
    await stage.send(agent, 'go')
    expect(stage.model.requests[0]?.body).not.toHaveProperty('stream')
  })
})

describe('a run read again', () => {
  let runId: string
  let whole: Record<string, unknown>[]

  beforeAll(async () => {
    const { agent } = await sharedAgent()
    stage.model.reset()
    stage.model.script(twoSteps())
    const path = `/v1/agents/${agent}/messages/stream`
    const live = await readStream(stage.product.url, 'POST', path, { input: 'go' })
    whole = durable(live.chunks)
    runId = String(live.chunks[0]?.run_id)
    expect(live.raw).toMatch(/data: \[DONE\]\n\n$/)
    expect(live.raw).toMatch(/^[\0-\x7e]*$/)
    expect(live.raw.match(/\[DONE\]/g)).toHaveLength(1)
  })

  const attach = (url: string, body?: object): Promise<StreamReader> =>
    readStream(url, 'POST', `/v1/runs/${runId}/stream`, body)

  it('is the same on every node, from its begin and from behind each chunk: none missing, none twice', async () => {
    for (const url of [stage.product.url, other.url]) {
      expect(durable((await attach(url)).chunks)).toEqual(whole)
      for (const [i, chunk] of whole.entries()) {
        const rest = await attach(url, { starting_after: chunk.seq_id })
        expect(durable(rest.chunks)).toEqual(whole.slice(i + 1))
      }
    }
  })

  it('is read by both generations of the client', async () => {
    const starting_after = Number(whole[2]?.seq_id)
    const current = await clients.current.runs.messages.stream(runId, { starting_after })
    expect(durable(await chunksOf(current))).toMatchObject(
      whole.slice(3).map((c) => ({ seq_id: c.seq_id })),
    )
    const legacy = await clients.legacy.runs.stream(runId, { startingAfter: starting_after })
    expect((await chunksOf(legacy)).map((chunk) => chunk.message_type).slice(1)).toEqual(
      kinds(whole.slice(3)),
    )
  })

  it('has every key of the published samples', async () => {
    const keys = new Map(whole.map((chunk) => [chunk.message_type, Object.keys(chunk)]))
    for (const sample of goldenChunks('stream-background')) {
      if (sample.message_type === 'ping') continue
      expect(keys.get(sample.message_type)).toEqual(expect.arrayContaining(Object.keys(sample)))
    }
  })

  it('has no pings where none are wanted', async () => {
    expect((await attach(other.url, { include_pings: false })).chunks).toEqual(whole)
  })

  it.each([
    [{ starting_after: 2 ** 40 }, 400, 'invalid_cursor'],
    [{ starting_after: -1 }, 422, 'invalid_argument'],
    [{ starting_after: 'x' }, 422, 'invalid_type'],
  ])('after %j is refused', async (body, status, code) => {
    const answer = await stage.rest('POST', `/v1/runs/${runId}/stream`, body)
    expect(answer).toMatchObject({ status, body: { code } })
    expect(answer.faults()).toEqual([])
  })
})

describe('tokens', () => {
  const LONG = Array.from({ length: 30 }, (_, i) => `word${i} 🙂`).join(' ')

  it('read in pieces from two nodes by turns, cut behind each, add up: none missing, none twice', async () => {
    const { agent } = await sharedAgent()
    const [first] = twoSteps()
    stage.model.script([
      { ...(first as ModelAnswer), paceMs: 15 },
      { text: LONG, paceMs: 15 },
    ])
    const path = `/v1/agents/${agent}/messages/async`
    const started = await stage.rest<{ id: string }>('POST', path, {
      input: 'go',
      stream_tokens: true,
    })
    const chunks = await readCut([stage.product.url, other.url], started.body.id)
    const text = (type: string, field: string) =>
      chunks
        .filter((c) => c.message_type === type)
        .map((c) => c[field])
        .join('')
    expect(text('reasoning_message', 'reasoning')).toBe(REASONING)
    expect(text('assistant_message', 'content')).toBe(LONG)
    const calls = chunks.filter((c) => c.message_type === 'tool_call_message')
    const args = calls.map((c) => (c.tool_call as { arguments: string }).arguments).join('')
    expect(JSON.parse(args)).toEqual({ label: 'notes', new_string: 'ünï [DONE] line' })
    expect(kinds(chunks).filter((kind) => kind === 'tool_return_message')).toHaveLength(1)
    expect(chunks.length).toBeGreaterThan(12)
  })

  it('of an attempt that was lost with its worker are void: the next one is told as another', async () => {
    const { agent } = await sharedAgent()
    const again = gate()
    stage.model.script([
      { text: 'never to be finished', pause: { after: 3, until: new Promise(() => {}) } },
      { text: 'told anew', pause: { after: 2, until: again.opened } },
    ])
    const path = `/v1/agents/${agent}/messages/stream`
    const body = { messages: [{ role: 'user' as const, content: 'go' }], stream_tokens: true }
    let runId = ''
    const letta = readStream(stage.product.url, 'POST', path, body, {
      onChunk: (chunk) => {
        runId = String(chunk.run_id ?? runId)
        if (chunk.message_type === 'assistant_message') begun.open()
        return false
      },
    })
    const begun = gate()
    await begun.opened
    const native = await EventSource.open(other.url, `/v1/runs/${runId}/stream`)
    const told: Message[] = []
    const lost = worker
    for await (const message of native.messages()) {
      told.push(message)
      if (message.event !== 'delta') continue
      if (message.data?.['attempt'] === 2) again.open()
      else if (worker === lost) {
        worker = await stage.product.startWorker()
        await lost.close()
      }
    }
    const restart = told.findIndex((message) => message.event === 'step_restarted')
    expect(told[restart]?.data).toEqual({ step: 1, attempt: 2 })
    expect(told[restart + 1]?.event).toBe('TurnStarted')
    const deltas = told.slice(restart).filter((message) => message.event === 'delta')
    expect(deltas.map((message) => message.data?.['content']).join('')).toMatch(/^told/)
    expect(told.filter((m) => m.data?.['version'] !== undefined).map((m) => m.id)).toEqual(
      Array.from({ length: Number(told.at(-1)?.id) }, (_, i) => String(i + 1)),
    )
    const said = (await letta).chunks.filter((c) => c.message_type === 'assistant_message')
    const otids = [...new Set(said.map((chunk) => chunk.otid))]
    const byOtid = otids.map((otid) =>
      said
        .filter((chunk) => chunk.otid === otid)
        .map((chunk) => chunk.content)
        .join(''),
    )
    expect(byOtid).toEqual([expect.stringMatching(/^never/), 'told anew'])
    await until(async () => {
      const { rows } = await stage.sql.query('select from turn_deltas where run_id = $1', [runId])
      return rows.length === 0
    })
  })

  it('over, a run of our own stream is not asked for again', async () => {
    const { agent } = await sharedAgent()
    stage.model.script([{ text: 'done' }])
    const { headers } = await stage.send(agent, 'go')
    const path = `/v1/runs/${headers['x-run-id']}/stream`
    const source = await EventSource.open(other.url, path)
    for await (const _ of source.messages());
    const last = { 'last-event-id': String(source.lastId) }
    expect((await fetch(`${other.url}${path}`, { headers: last })).status).toBe(204)
    const none = await stage.rest('GET', path, undefined, { 'last-event-id': 'x' })
    expect(none).toMatchObject({ status: 400, body: { code: 'invalid_cursor' } })
  })
})

describe('a call that takes long', () => {
  it('begins to answer before its client gives up: both generations wait for it, and nobody asks twice', async () => {
    const { agent } = await sharedAgent()
    const messages = [{ role: 'user' as const, content: 'go' }]
    // Longer than either client waits for an answer to begin: what is tested is that time itself.
    const patience = sleep(700)
    stage.model.routeBy(() => ({ text: 'at last', holdUntil: patience }))
    const [current, legacy] = await Promise.all([
      clients.current.agents.messages.create(agent, { messages }, { timeout: 400 }),
      clients.legacy.agents.messages.create(
        (await sharedAgent()).agent,
        { messages },
        { timeoutInSeconds: 0.4 },
      ),
    ])
    expect(current.messages.at(-1)).toMatchObject({ content: 'at last' })
    expect(legacy.messages.at(-1)).toMatchObject({ content: 'at last' })
    expect(stage.model.requests).toHaveLength(2)
  })

  it('tells a model that fails then in the answer itself', async () => {
    const { agent } = await sharedAgent()
    const begun = gate()
    const broken = { status: 400, body: { error: { message: 'no' } } }
    stage.model.script([{ ...broken, holdUntil: begun.opened }])
    // It resolves with the status, before the model has answered.
    const answer = await fetch(`${stage.product.url}/v1/agents/${agent}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ input: 'go' }),
    })
    expect(answer.status).toBe(200)
    begun.open()
    const text = await answer.text()
    expect(text).toMatch(/^ +\{/)
    expect(JSON.parse(text)).toMatchObject({
      stop_reason: { stop_reason: 'llm_api_error' },
      error: { type: 'model_unavailable', class: 'Provider.BadRequest' },
    })
  })

  it('given up and sent again twice is one turn with one set of edits', async () => {
    const { agent, block } = await sharedAgent()
    const done = gate()
    const [first] = twoSteps()
    stage.model.script([{ ...(first as ModelAnswer), holdUntil: done.opened }, { text: 'done' }])
    const impatient = new Letta({ apiKey: 'any', baseURL: other.url, timeout: 200, maxRetries: 2 })
    const messages = [{ role: 'user' as const, content: 'go' }]
    const call = impatient.agents.messages.create(agent, { messages })
    await expect(call).rejects.toThrow()
    done.open()
    const { body: runs } = await stage.rest<{ id: string }[]>('GET', `/v1/runs?agent_id=${agent}`)
    expect(runs).toHaveLength(1)
    await stage.ended(runs[0]?.id as string)
    expect(await stage.events(block, /^Text/)).toHaveLength(1)
    stage.model.assertConsumed()
  })
})

describe('a run that calls back', () => {
  let receiver: Server
  let url: string
  const received: unknown[] = []
  let arrived = gate()

  beforeAll(async () => {
    receiver = createServer((request, response) => {
      let text = ''
      request.on('data', (chunk) => {
        text += chunk
      })
      request.on('end', () => {
        received.push(JSON.parse(text))
        response.writeHead(request.url === '/moved' ? 302 : 202, { location: url }).end()
        arrived.open()
      })
    })
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`
  })

  afterAll(() => {
    receiver.close()
  })

  beforeEach(() => {
    received.length = 0
    arrived = gate()
  })

  const start = (agent: string, callback_url: string) =>
    stage.rest<{ id: string }>('POST', `/v1/agents/${agent}/messages/async`, {
      input: 'go',
      callback_url,
    })

  async function recorded(runId: string): Promise<Record<string, unknown>> {
    await until(async () => {
      const text = 'select from run_callbacks where run_id = $1 and sent_at is not null'
      return (await stage.sql.query(text, [runId])).rows.length > 0
    })
    return (await stage.rest('GET', `/v1/runs/${runId}`)).body
  }

  it('does so once, when it is over; the run shows how that went', async () => {
    const { agent } = await sharedAgent()
    stage.model.script([{ text: 'done' }])
    const { body: run } = await start(agent, `${url}/moved`)
    expect(run).toMatchObject({ callback_url: `${url}/moved`, callback_sent_at: null })
    await arrived.opened
    const after = await recorded(run.id)
    expect(after).toMatchObject({ callback_status_code: 302, callback_error: null })
    const { completed_at, metadata } = after
    expect(received).toEqual([{ run_id: run.id, status: 'completed', completed_at, metadata }])
  })

  it('is called by another when who was at it is gone', async () => {
    const { agent } = await sharedAgent()
    stage.model.script([{ text: 'done' }])
    const { body: run } = await start(agent, url)
    await recorded(run.id)
    arrived = gate()
    await stage.sql.query(
      "update run_callbacks set sent_at = null, claimed_until = now() - interval '1 s' where run_id = $1",
      [run.id],
    )
    await arrived.opened
    expect(await recorded(run.id)).toMatchObject({ callback_status_code: 202 })
  })

  it('in vain records why, and that is all', async () => {
    const { agent } = await sharedAgent()
    stage.model.script([{ text: 'done' }])
    const { body: run } = await start(agent, 'http://127.0.0.1:9999/')
    expect(await recorded(run.id)).toMatchObject({
      callback_sent_at: null,
      callback_status_code: null,
      callback_error: expect.stringContaining('ECONNREFUSED'),
    })
  })

  it('only calls whom it may', async () => {
    const { agent } = await sharedAgent()
    const answer = await start(agent, 'http://169.254.169.254/')
    expect(answer).toMatchObject({ status: 422, body: { code: 'url_not_allowed' } })
    expect(answer.faults()).toEqual([])
  })
})

describe('an agent whose messages are reset', () => {
  it('is asked and shown without them; the run and the log keep them', async () => {
    const { agent } = await sharedAgent()
    stage.model.script([{ text: 'answer one' }, { text: 'answer two' }])
    const { headers } = await stage.send(agent, 'question one')
    const state = await clients.legacy.agents.messages.reset(agent, {
      addDefaultInitialMessages: false,
    })
    expect(state.messageIds).toHaveLength(1)
    expect(await clients.current.agents.messages.reset(agent, {})).toBeNull()
    expect(await stage.events(agent, /^MessagesReset$/)).toHaveLength(1)
    await stage.send(agent, 'question two')
    const sent = JSON.stringify(stage.model.requests[1]?.messages)
    expect(sent).toContain('question two')
    expect(sent).not.toMatch(/(question|answer) one/)
    const listed = await stage.rest<object[]>('GET', `/v1/agents/${agent}/messages`)
    expect(listed.body).toHaveLength(3)
    const path = `/v1/runs/${headers['x-run-id']}`
    expect((await stage.rest<object[]>('GET', `${path}/messages`)).body).toHaveLength(2)
    expect((await stage.rest('GET', `${path}/context`)).body).toMatchObject({ verified: true })
  })
})
