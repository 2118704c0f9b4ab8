import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { StoredMessage } from '#read-models/messages.js'
import { golden } from '../../../test/support/contract.js'
import {
  type CannedServer,
  type LettaClients,
  lettaClients,
  startCannedServer,
} from '../../../test/support/letta-clients.js'
import { DEFAULT_VIEW, renderMessages } from './message-wire.js'

type Sample = Readonly<Record<string, unknown>>

const ROLES: Readonly<Record<string, StoredMessage['role']>> = {
  system_message: 'system',
  user_message: 'user',
  assistant_message: 'assistant',
  tool_return_message: 'tool',
}

/** The row a sample would be rendered from. */
function row(sample: Sample, content: StoredMessage['content']): StoredMessage {
  return {
    tenant_id: 'default',
    message_id: String(sample.id),
    agent_id: 'agent',
    run_id: sample.run_id as string | null,
    step_id: sample.step_id as string | null,
    version: 1,
    item: 0,
    role: ROLES[String(sample.message_type)] ?? 'assistant',
    content,
    name: sample.name as string | null,
    otid: String(sample.otid),
    sender_id: sample.sender_id as string | null,
    created_at: new Date(String(sample.date)),
  }
}

function reply(
  sample: Sample,
  parts: Partial<Record<'content' | 'reasoning', string>>,
  calls: object[] = [],
) {
  const content = { content: null, reasoning: null, tool_calls: calls, ...parts }
  return row(sample, content as StoredMessage['content'])
}

function rowOf(sample: Sample): StoredMessage {
  switch (sample.message_type) {
    case 'reasoning_message':
      return reply(sample, { reasoning: String(sample.reasoning) })
    case 'tool_call_message':
      return reply(sample, {}, sample.tool_calls as object[])
    case 'tool_return_message':
      return row(sample, {
        tool_call_id: String(sample.tool_call_id),
        name: 'memory_replace',
        status: sample.status as 'success',
        result: String(sample.tool_return),
      })
    case 'approval_request_message': {
      const calls = sample.tool_calls as { tool_call_id: string }[]
      const { content } = reply(sample, {}, calls)
      const asks = calls.map((made) => made.tool_call_id)
      return row(sample, { ...content, asks } as StoredMessage['content'])
    }
    case 'approval_response_message': {
      const [{ tool_call_id, reason }] = sample.approvals as [Record<string, string>]
      const answers = [{ tool_call_id, kind: 'denied', reason }]
      const request_id = sample.approval_request_id
      return row(sample, { request_id, answers } as StoredMessage['content'])
    }
    case 'assistant_message':
      return sample.step_id && typeof sample.content === 'string'
        ? reply(sample, { content: sample.content })
        : row(sample, { content: sample.content as string })
    default:
      return row(sample, { content: sample.content as string })
  }
}

function keys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(keys)
  if (typeof value !== 'object' || value === null) return null
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, keys(member)]))
}

const call = (name: string, args: string, tool_call_id = 'call_1') => ({
  name,
  arguments: args,
  tool_call_id,
})

const SAMPLE = golden('message-assistant')
const SPOKEN = call('send_message', '{"message":"hello"}')

describe('a stored message', () => {
  it.each([
    'message-system',
    'message-user',
    'message-user-parts',
    'message-reasoning',
    'message-tool-call',
    'message-tool-return',
    'message-assistant',
    'message-assistant-parts',
    'message-approval-request',
    'message-approval-response',
  ])('is rendered as %s', (name) => {
    const sample = golden(name)
    expect(renderMessages([rowOf(sample)])).toEqual([sample])
  })

  it('of a failed tool says so in every place a client looks', () => {
    const sample = golden('message-tool-return-error')
    const [item] = renderMessages([rowOf(sample)])
    expect(keys(item)).toEqual(keys(sample))
    expect(item).toMatchObject({
      is_err: true,
      status: 'error',
      tool_return: sample.tool_return,
      stderr: [`Error executing function memory_replace: ${sample.tool_return}`],
    })
  })

  it('becomes several items that share its id and keep their order', () => {
    const list = golden<Sample[]>('message-list')
    const [assistant, toolReturn, reasoning, toolCall, user, system] = list as [
      Sample,
      Sample,
      Sample,
      Sample,
      Sample,
      Sample,
    ]
    const both = reply(
      toolCall,
      { reasoning: String(reasoning.reasoning) },
      toolCall.tool_calls as object[],
    )
    const rows = [rowOf(assistant), rowOf(toolReturn), both, rowOf(user), rowOf(system)]
    expect(renderMessages(rows)).toEqual(list)
  })

  it('with text, calls and speech shows the text, then the calls, then the speech', () => {
    const message = reply(SAMPLE, { content: 'thinking aloud' }, [
      SPOKEN,
      call('a', '{}', 'call_2'),
    ])
    const items = renderMessages([message])
    expect(items.map((item) => [item.message_type, item.content])).toEqual([
      ['assistant_message', 'thinking aloud'],
      ['tool_call_message', undefined],
      ['assistant_message', 'hello'],
    ])
    expect(items[1]?.tool_calls).toEqual([call('a', '{}', 'call_2')])
  })

  it('without anything in it is an empty answer, not no answer', () => {
    expect(renderMessages([reply(SAMPLE, {})])).toMatchObject([
      { message_type: 'assistant_message', content: '' },
    ])
  })
})

describe('speech through a tool', () => {
  const returned = (status: 'success' | 'error', result: string) =>
    row(
      { ...SAMPLE, message_type: 'tool_return_message' },
      { tool_call_id: 'call_1', name: 'send_message', status, result },
    )
  const said = [reply(SAMPLE, {}, [SPOKEN]), returned('success', 'Sent message successfully.')]

  it('is shown as what was said, without its return', () => {
    expect(renderMessages(said)).toEqual([{ ...SAMPLE, content: 'hello' }])
  })

  it('is shown as the call it is when the caller wants that', () => {
    const view = { ...DEFAULT_VIEW, use_assistant_message: false }
    expect(renderMessages(said, view).map((item) => item.message_type)).toEqual([
      'tool_call_message',
      'tool_return_message',
    ])
  })

  it('is looked for under the names the caller gives', () => {
    const view = {
      ...DEFAULT_VIEW,
      assistant_message_tool_name: 'say',
      assistant_message_tool_kwarg: 'text',
    }
    const message = reply(SAMPLE, {}, [call('say', '{"text":"hi"}'), SPOKEN])
    expect(renderMessages([message], view)).toMatchObject([
      { message_type: 'tool_call_message', tool_call: SPOKEN },
      { message_type: 'assistant_message', content: 'hi' },
    ])
  })

  it.each(['{"message":', '{"message":5}', 'null', '[]', '"message"'])(
    'that cannot be read (%s) stays a call, and why it failed is shown',
    (args) => {
      const message = reply(SAMPLE, {}, [call('send_message', args)])
      const items = renderMessages([message, returned('error', 'no message')])
      expect(items.map((item) => item.message_type)).toEqual([
        'tool_call_message',
        'tool_return_message',
      ])
    },
  )
})

it('only the types a caller asks for are shown', () => {
  const rows = golden<Sample[]>('message-list').map(rowOf)
  const view = { ...DEFAULT_VIEW, include_return_message_types: ['tool_call_message'] }
  expect(renderMessages(rows, view).map((item) => item.message_type)).toEqual(['tool_call_message'])
})

describe("Letta's clients", () => {
  let server: CannedServer
  let clients: LettaClients

  beforeAll(async () => {
    server = await startCannedServer()
    clients = lettaClients(server.url)
  })
  afterAll(async () => {
    clients.restore()
    await server.close()
  })

  it('parse every kind of message without a warning', async () => {
    const samples = golden<Sample[]>('message-list')
    const parts = ['message-user-parts', 'message-assistant-parts', 'message-tool-return-error']
    const rows = [...samples, ...parts.map((name) => golden(name))].map(rowOf)
    const both = reply(SAMPLE, { content: 'a', reasoning: 'b' }, [SPOKEN, call('a', 'not json')])
    const rendered = renderMessages([...rows, both, reply(SAMPLE, {})])
    server.answer = rendered
    const legacy = await clients.legacy.agents.messages.list('agent')
    // An item that 0.x cannot parse keeps its snake_case keys: it has no messageType.
    expect(legacy.map((message) => message.messageType)).toEqual(
      rendered.map((item) => item.message_type),
    )
    expect(legacy.every((message) => message.date instanceof Date)).toBe(true)
    const page = await clients.current.agents.messages.list('agent')
    expect(page.getPaginatedItems()).toEqual(rendered)
    expect(clients.warnings()).toEqual([])
  })
})
