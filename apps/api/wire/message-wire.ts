import { echo } from '#domain/errors.js'
import { DEFAULT_OPTIONS } from '#domain/turn.js'
import type { TurnOptions } from '#domain/turn-events.js'
import type { AnswerContent, SpokenContent, SummaryContent } from '#postgres/message-content.js'
import type { StoredMessage } from '#read-models/messages.js'
import { type Item, isSpeech, replyItems } from './reply-parts.js'
import { wireTime } from './time-wire.js'

/** How a caller wants to see messages. */
export type MessageView = Pick<
  TurnOptions,
  | 'use_assistant_message'
  | 'assistant_message_tool_name'
  | 'assistant_message_tool_kwarg'
  | 'include_return_message_types'
  | 'include_compaction_messages'
>

export const DEFAULT_VIEW: MessageView = DEFAULT_OPTIONS

/** An item of Letta's message union: `message_type` says which. */
export type WireMessage = Readonly<Record<string, unknown>> & {
  readonly id: string
  readonly message_type: string
}

export type MessageHead = Pick<
  StoredMessage,
  'message_id' | 'created_at' | 'name' | 'otid' | 'sender_id' | 'step_id' | 'run_id'
>
type Return = Extract<SpokenContent, { readonly tool_call_id: string }>

const STDERR_LENGTH_MAX = 1_000

/**
 * Stored messages as Letta's clients read them, in the order given. One stored message becomes up to
 * three items (reasoning, text, tool calls) that share its id and keep their order.
 *
 * The 0.x client passes an item that misses a field of its variant through unparsed, so every variant
 * carries what both generations ask for: `tool_call` beside `tool_calls`, the flat fields of a tool
 * return beside `tool_returns`.
 */
export function renderMessages(
  messages: readonly StoredMessage[],
  view: MessageView = DEFAULT_VIEW,
): WireMessage[] {
  const wanted = view.include_return_message_types
  return messages.flatMap((message) =>
    items(message, view)
      .filter((item) => wanted === null || wanted.includes(item.message_type))
      .map((item): WireMessage => ({ ...head(message, item.message_type), ...item })),
  )
}

/** What all items of a stored message share. */
export function head(message: MessageHead, message_type: string): WireMessage {
  return {
    id: message.message_id,
    date: wireTime(message.created_at),
    name: message.name,
    message_type,
    otid: message.otid,
    sender_id: message.sender_id,
    step_id: message.step_id,
    is_err: null,
    seq_id: null,
    run_id: message.run_id,
  }
}

function items({ role, content }: StoredMessage, view: MessageView): Item[] {
  if ('through_run_id' in content) return [summaryItem(content, view)]
  if ('tool_call_id' in content) return returnItems(content, view)
  if ('tool_calls' in content) return replyItems(content, view)
  if ('answers' in content) return [answerItem(content)]
  const text = content.content
  if (role !== 'system') return [{ message_type: `${role}_message`, content: text }]
  // Parts are no variant of a system message: they become one text.
  const joined = typeof text === 'string' ? text : text.map((part) => part.text ?? '').join('\n')
  return [{ message_type: 'system_message', content: joined }]
}

/** Only who asks for the newer form knows it. */
function summaryItem({ content }: SummaryContent, view: MessageView): Item {
  return view.include_compaction_messages
    ? { message_type: 'summary_message', summary: content, compaction_stats: null }
    : { message_type: 'user_message', content }
}

/** All answers of a message are of one kind: the older fields say which. */
function answerItem({ request_id, answers }: AnswerContent): Item {
  const [first] = answers
  return {
    message_type: 'approval_response_message',
    approve: first?.kind !== 'denied',
    approval_request_id: request_id,
    reason: first?.kind === 'denied' ? first.reason : null,
    approvals: answers.map(({ tool_call_id, ...answer }) => {
      if (answer.kind === 'returned') {
        const { status, result } = answer
        return { type: 'tool', tool_call_id, tool_return: result, status }
      }
      const approve = answer.kind === 'given'
      const edited = approve && answer.args !== null ? { arguments: answer.args } : {}
      const reason = approve ? null : answer.reason
      return { type: 'approval', tool_call_id, approve, reason, ...edited }
    }),
  }
}

function returnItems(content: Return, view: MessageView): Item[] {
  const { name, result, status, tool_call_id } = content
  const failed = status === 'error'
  // The return of what is shown as speech says nothing; why it failed does.
  if (isSpeech(name, view) && !failed) return []
  const stderr = failed
    ? [echo(`Error executing function ${name}: ${result}`, STDERR_LENGTH_MAX)]
    : null
  const flat = { tool_return: result, status, tool_call_id, stdout: null, stderr }
  return [
    {
      message_type: 'tool_return_message',
      is_err: failed ? true : null,
      ...flat,
      tool_returns: [{ type: 'tool', ...flat }],
    },
  ]
}
