import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { type ModelDelta, ModelFailure, type ModelResponse } from '#turns/ports.js'
import {
  type ModelAnswer,
  type ModelStep,
  ScriptedModelServer,
} from '../../test/support/model-server.js'
import { OpenAIModel } from './openai-model.js'
import { StreamedReply } from './streamed-reply.js'

const NEVER = new AbortController().signal
const ASKED = {
  model: 'openai/gpt-4o-mini',
  messages: [{ role: 'user' as const, content: 'hello' }],
  tools: [],
}

let server: ScriptedModelServer
let model: OpenAIModel

beforeAll(async () => {
  server = await ScriptedModelServer.start()
  const timeoutsMs = { firstByte: 200, idle: 200, total: 1_000 }
  const options = { apiKey: null, provider: 'openai', simulated: false, timeoutsMs }
  model = new OpenAIModel({ ...options, baseUrl: server.url })
})

afterEach(() => {
  try {
    server.assertConsumed()
  } finally {
    server.reset()
  }
})

afterAll(() => server.close())

async function heard(step: ModelStep): Promise<{ response: ModelResponse; deltas: ModelDelta[] }> {
  server.script([step])
  const deltas: ModelDelta[] = []
  const response = await model.respond(ASKED, NEVER, (delta) => deltas.push(delta))
  return { response, deltas }
}

/** What the deltas come to, part by part. */
function joined(deltas: readonly ModelDelta[]): Record<string, string> {
  const parts: Record<string, string> = {}
  for (const delta of deltas) {
    const key = delta.part === 'call' ? `${delta.index} ${delta.id} ${delta.name}` : delta.part
    parts[key] = (parts[key] ?? '') + delta.text
  }
  return parts
}

const call = (id: string | null, args: string) => ({ id, name: 'memory_insert', arguments: args })

describe('an answer that is heard while it comes', () => {
  it.each<[string, ModelAnswer]>([
    ['text', { text: 'a word — and 🙂 more', reasoning: 'because of this' }],
    ['calls', { text: 'first', toolCalls: [call('a', '{"x":"ü 🙂"}'), call('b', '{"y":[1,2]}')] }],
    ['no usage', { text: 'x y', usage: null }],
    [
      'ids that are missing or repeated',
      { toolCalls: [call('a', '{}'), call('a', '{}'), call(null, '{}')] },
    ],
    [
      'what cannot be stored',
      { text: 'a \0 b', toolCalls: [call('a', '{"x":"\\u0000 \\ud83d"}')] },
    ],
    ['nothing', { text: '' }],
    ['an answer that was cut by its limit', { text: 'a b', finishReason: 'length' }],
  ])('is the same as in one piece: %s', async (_name, answer) => {
    const same = { ...answer, id: 'chatcmpl-same' }
    const { response } = await heard(same)
    expect(server.requests[0]?.body).toMatchObject({
      stream: true,
      stream_options: { include_usage: true },
    })
    server.script([same])
    expect(await model.respond(ASKED, NEVER)).toEqual(response)
  })

  it('is heard part by part, in pieces that add up', async () => {
    const args = '{"label":"notes","new_string":"a \\ud83d\\ude42 long enough line"}'
    const { deltas } = await heard({
      reasoning: 'let me think',
      text: 'some words',
      toolCalls: [call('a', args), call('b', '{"second":true,"and":"so on"}')],
    })
    expect(deltas.length).toBeGreaterThan(6)
    const { '0 a memory_insert': first, ...rest } = joined(deltas)
    expect(rest).toEqual({
      reasoning: 'let me think',
      content: 'some words',
      '1 b memory_insert': '{"second":true,"and":"so on"}',
    })
    expect(first).toBe(args)
  })

  it('comes in one piece from a server that does not stream', async () => {
    const message = { role: 'assistant', content: 'whole' }
    const body = { choices: [{ index: 0, finish_reason: 'stop', message }] }
    const { response, deltas } = await heard({ status: 200, body })
    expect(response.content).toBe('whole')
    expect(deltas).toEqual([])
  })

  it.each([
    ['ends early', 'end', 'Provider.Overloaded'],
    ['is cut', 'cut', 'Provider.Overloaded'],
    ['stands still', 'stall', 'Provider.Timeout'],
  ] as const)('that %s is no answer, however much has come', async (_name, how, failureClass) => {
    for (const after of [1, 3, 5]) {
      const broken = { after, how }
      const text = 'four words and more'
      await expect(heard({ text, broken })).rejects.toMatchObject({ failureClass })
    }
  })

  it('fails as any other does: by status, by an error in the stream, by a stream that is none', async () => {
    await expect(heard({ status: 429, headers: { 'retry-after': '7' } })).rejects.toMatchObject({
      failureClass: 'Provider.RateLimited',
      detail: { retryAfterMs: 7_000 },
    })
    const contentType = 'text/event-stream'
    const raw = 'data: {"error":{"message":"overloaded","code":503}}\n\n'
    await expect(heard({ raw, contentType })).rejects.toBeInstanceOf(ModelFailure)
    for (const text of ['data: {"cut', 'data: [DONE]\n\n', '']) {
      await expect(heard({ raw: text, contentType })).rejects.toMatchObject({
        failureClass: 'Provider.Overloaded',
      })
    }
  })

  it('ends with the signal, for its reason', async () => {
    const stop = new AbortController()
    server.script([{ text: 'a b c', broken: { after: 2, how: 'stall' } }])
    const reason = new Error('stop')
    const asked = model.respond(ASKED, stop.signal, () => stop.abort(reason))
    await expect(asked).rejects.toBe(reason)
  })
})

describe('what is told on', () => {
  /** Pieces of one call's arguments, as they come. */
  function told(pieces: readonly string[]): string {
    const deltas: ModelDelta[] = []
    const reply = new StreamedReply((delta) => deltas.push(delta))
    for (const [i, text] of pieces.entries()) {
      const made = i === 0 ? { name: 'f', arguments: text } : { arguments: text }
      const piece = { index: 0, ...(i === 0 ? { id: 'a' } : {}), function: made }
      reply.take({ choices: [{ delta: { tool_calls: [piece] } }] })
    }
    return deltas.map((delta) => delta.text).join('')
  }

  it.each([
    ['"a \\ud83d\\ude42 b and so on to the end"'],
    ['"\\\\u0000 is text, and so is \\\\ud83d, as far as one can see"'],
    ['"🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂"'],
    ['"\\n\\t\\"quoted\\" and \\u00fc\\u00fc\\u00fc, then a few letters more"'],
  ])('is a beginning of what is recorded, wherever %s is cut', (text) => {
    for (let size = 1; size < 16; size++) {
      const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []
      const said = told(pieces)
      expect(text.startsWith(said)).toBe(true)
      expect(said.length).toBeGreaterThanOrEqual(text.length - 20)
    }
  })

  it.each([['"a\\u0000b and more of it"'], ['"a \\ud83d b and more of it"']])(
    'stops before what will be mended: %s',
    (text) => {
      for (let size = 1; size < 16; size++) {
        const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []
        expect(text.slice(0, text.indexOf('\\'))).toContain(told(pieces))
      }
    },
  )
})
