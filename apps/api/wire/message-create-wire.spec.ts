import { describe, expect, it } from '@jest/globals'
import { DEFAULT_OPTIONS } from '#domain/turn.js'
import { MESSAGE_LENGTH_MAX } from '#producer/message.js'
import { Problem } from '../http/problem.js'
import { parseBody } from '../http/validation.js'
import { type MessageRoute, type TurnRequest, turnRequest } from './message-create-wire.js'

const parse = (body: unknown, route: MessageRoute = 'send'): TurnRequest =>
  parseBody(turnRequest(route), body)

function refusal(body: unknown, route: MessageRoute = 'send'): string[] {
  try {
    parse(body, route)
  } catch (error) {
    if (error instanceof Problem) return error.errors.map((e) => `${e.pointer} ${e.code}`)
    throw error
  }
  throw new Error('nothing was refused')
}

const user = { role: 'user', content: 'hi' }
const stored = { name: null, otid: null, sender_id: null }

const no = { tool_call_id: 'b', approve: false }
const approvals = (...all: object[]) => ({ messages: [{ type: 'approval', approvals: all }] })

describe('a message call', () => {
  it('with nothing but messages runs with the defaults', () => {
    expect(parse({ messages: [user], unheard_of: 1 })).toEqual({
      input: [{ ...user, ...stored }],
      answers: null,
      options: DEFAULT_OPTIONS,
      stream: null,
      budget: { max_steps: DEFAULT_OPTIONS.max_steps },
      deadlineMs: null,
      policy: 'enqueue',
    })
  })

  it('is a stream on its own route or by saying so, with pings and without tokens unless it says so', () => {
    const asked = { ...DEFAULT_OPTIONS, streaming: true }
    expect(parse({ messages: [user] }, 'stream')).toMatchObject({
      options: asked,
      stream: { pings: true },
    })
    const all = { streaming: true, stream_tokens: true, background: true, include_pings: false }
    expect(parse({ messages: [user], ...all })).toMatchObject({
      options: { ...asked, stream_tokens: true, background: true },
      stream: { pings: false },
    })
  })

  it('may name a URL to call where nobody waits, and nowhere else', () => {
    const body = { messages: [user], callback_url: 'https://example.com' }
    expect(parse(body, 'async').options.callback_url).toBe('https://example.com')
    expect(refusal(body, 'stream')).toEqual(['/callback_url invalid_argument'])
    expect(refusal({ messages: [user], streaming: true }, 'async')).toEqual([
      '/streaming invalid_argument',
    ])
  })

  it('may send its input as text or parts', () => {
    expect(parse({ input: 'hi' }).input).toEqual([{ ...user, ...stored }])
    const content = [
      { type: 'text', text: 'a', signature: null },
      { type: 'text', text: 'b' },
    ]
    expect(parse({ input: content }).input[0]?.content).toEqual([
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
    ])
  })

  it('keeps the names a client gives, and every option', () => {
    const message = { ...user, type: 'message', name: 'alice', otid: 'o', sender_id: 's' }
    const { input, options } = parse({
      messages: [message, { role: 'system', content: 'be brief' }],
      max_steps: 3,
      use_assistant_message: false,
      assistant_message_tool_name: 'say',
      assistant_message_tool_kwarg: 'text',
      include_return_message_types: ['tool_call_message'],
      override_model: 'openai/gpt-4o',
      system: 'other',
    })
    const { type: _, ...kept } = message
    expect(input).toEqual([kept, { role: 'system', content: 'be brief', ...stored }])
    expect(options).toEqual({
      max_steps: 3,
      use_assistant_message: false,
      assistant_message_tool_name: 'say',
      assistant_message_tool_kwarg: 'text',
      include_return_message_types: ['tool_call_message'],
      override_model: 'openai/gpt-4o',
      override_system: 'other',
      background: false,
    })
  })

  it('on the route that does not wait runs in the background', () => {
    expect(parse({ messages: [user] }, 'async').options.background).toBe(true)
  })

  it('may say no to what is not there yet, and null for anything optional', () => {
    const body = {
      messages: [{ ...user, type: null, name: null }],
      input: null,
      streaming: false,
      stream_tokens: false,
      background: false,
      client_tools: [],
      callback_url: null,
      max_steps: null,
    }
    expect(parse(body).options).toEqual(DEFAULT_OPTIONS)
  })

  it('brings tools of the caller along', () => {
    const { options } = parse({
      messages: [user],
      client_tools: [{ name: 'open', parameters: null }],
    })
    const parameters = { type: 'object', properties: {} }
    expect(options.client_tools).toEqual([{ name: 'open', description: '', parameters }])
  })

  it('may say what is to become of calls, in every way clients say it', () => {
    const request = 'message-00000000-0000-4000-8000-000000000001'
    const text = [{ type: 'text', text: 'c' }]
    const answersOf = (messages: object[]) => parse({ messages }).answers
    const made = { tool_call_id: 'c', tool_return: text, status: 'success' }
    const edited = { type: 'approval', tool_call_id: 'a', approve: true, arguments: { x: 1 } }
    const c = { toolCallId: 'c', answer: { kind: 'returned', status: 'success', result: 'c' } }
    expect(
      answersOf(approvals(edited, { ...no, reason: 'r' }, { type: 'tool', ...made }).messages),
    ).toEqual({
      requestId: null,
      otid: null,
      to: [
        { toolCallId: 'a', answer: { kind: 'given', args: '{"x":1}' } },
        { toolCallId: 'b', answer: { kind: 'denied', reason: 'r' } },
        c,
      ],
    })
    expect(answersOf([{ approve: true, approval_request_id: request, otid: 'o' }])).toEqual({
      requestId: request,
      to: { kind: 'given', args: null },
      otid: 'o',
    })
    expect(answersOf([{ type: 'tool_return', tool_returns: [made] }])?.to).toEqual([c])
  })

  it.each<[string, unknown, string[]]>([
    ['nothing', {}, ['/messages invalid_argument']],
    ['both forms', { messages: [user], input: 'hi' }, ['/input invalid_argument']],
    ['no message', { messages: [] }, ['/messages empty_messages']],
    [
      'an unknown role',
      { messages: [{ role: 'tool', content: '' }] },
      ['/messages/0/role invalid_argument'],
    ],
    ['no role', { messages: [{ content: '' }] }, ['/messages/0/role invalid_type']],
    ['no content', { messages: [{ role: 'user' }] }, ['/messages/0/content invalid_type']],
    ['a message that is text', { messages: ['hi'] }, ['/messages/0 invalid_type']],
    ['an image', { input: [{ type: 'image', source: {} }] }, ['/input/0 invalid_argument']],
    ['a part without text', { input: [{ type: 'text' }] }, ['/input/0 invalid_argument']],
    ['NUL', { input: 'a\0' }, ['/input nul_not_allowed']],
    [
      'a lone surrogate',
      { input: [{ type: 'text', text: '\ud800' }] },
      ['/input/0/text lone_surrogate'],
    ],
    ['an unknown type', { messages: [{ type: 'image' }] }, ['/messages/0/type invalid_argument']],
    [
      'an approval of nothing',
      { messages: [{ type: 'approval', approvals: [] }] },
      ['/messages/0/approvals invalid_argument'],
    ],
    [
      'an approval that says neither what nor whether',
      { messages: [{ type: 'approval' }] },
      [
        '/messages/0/approvals invalid_argument',
        '/messages/0/approval_request_id invalid_argument',
      ],
    ],
    [
      'an old approval of no request',
      { messages: [{ approve: true }] },
      ['/messages/0/approval_request_id invalid_argument'],
    ],
    [
      'arguments that are none, or are denied',
      approvals({ tool_call_id: 'a', approve: true, arguments: '[]' }, { ...no, arguments: {} }),
      [
        '/messages/0/approvals/0/arguments invalid_argument',
        '/messages/0/approvals/1/arguments invalid_argument',
      ],
    ],
    [
      'a return that is neither success nor error',
      approvals({ type: 'tool', tool_call_id: 'a', tool_return: 'b', status: 'ok' }),
      ['/messages/0/approvals/0/status invalid_argument'],
    ],
    [
      'an answer beside a message',
      { messages: [user, ...approvals(no).messages] },
      ['/messages invalid_argument'],
    ],
    [
      'a tool return without any',
      { messages: [{ type: 'tool_return' }] },
      ['/messages/0/tool_returns invalid_type'],
    ],
    [
      'tokens of no stream',
      { messages: [user], stream_tokens: true },
      ['/stream_tokens invalid_argument'],
    ],
    [
      'the background of no stream',
      { messages: [user], background: true },
      ['/background invalid_argument'],
    ],
    [
      'a callback',
      { messages: [user], callback_url: 'https://example.com' },
      ['/callback_url invalid_argument'],
    ],
    [
      "the client's tools",
      { messages: [user], client_tools: [{}, { name: 'a b' }] },
      ['/client_tools/0/name invalid_type', '/client_tools/1/name invalid_argument'],
    ],
    [
      'two tools of one name',
      { messages: [user], client_tools: [{ name: 'a' }, { name: 'a' }] },
      ['/client_tools/1/name invalid_argument'],
    ],
    ['no steps', { messages: [user], max_steps: 0 }, ['/max_steps invalid_argument']],
    [
      'a model without provider',
      { messages: [user], override_model: 'gpt' },
      ['/override_model invalid_argument'],
    ],
  ])('with %s is refused where it is wrong', (_name, body, errors) => {
    expect(refusal(body)).toEqual(errors)
  })

  it('holds messages as long as the limit in characters, and no longer', () => {
    const longest = '😀'.repeat(MESSAGE_LENGTH_MAX)
    expect(parse({ input: longest }).input).toHaveLength(1)
    expect(refusal({ input: `${longest}a` })).toEqual(['/input message_too_long'])
    const parts = [longest, 'a'].map((text) => ({ type: 'text', text }))
    expect(refusal({ messages: [{ role: 'user', content: parts }] })).toEqual([
      '/messages/0/content message_too_long',
    ])
  })
})
