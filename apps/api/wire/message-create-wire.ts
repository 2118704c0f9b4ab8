import { z } from 'zod'
import { DEFAULT_OPTIONS } from '#domain/turn.js'
import type { BusyPolicy, InputMessage, TurnBudget, TurnOptions } from '#domain/turn-events.js'
import { DEADLINE_MS_MAX, handle, MESSAGES_MAX, STEPS_MAX, TOKENS_MAX } from '#producer/message.js'
import { absentOr, customIssue, integer, text } from '../http/validation.js'
import { approval, type CallAnswers, toolReturn } from './call-answer-wire.js'
import { clientTools } from './client-tool-wire.js'
import { textContent } from './text-content-wire.js'

/** What a message call asks: the turn's input, and how it is to run. */
export interface TurnRequest {
  readonly input: readonly InputMessage[]
  /** Instead of an input: what is said to calls of a run that waits for it. */
  readonly answers: CallAnswers | null
  readonly options: TurnOptions
  readonly budget: TurnBudget
  /** From now until the turn must have ended, waiting included. */
  readonly deadlineMs: number | null
  readonly policy: BusyPolicy
  /** The answer is a stream of what happens. */
  readonly stream: { readonly pings: boolean } | null
}

/** Where a message is sent to: which fields it may have depends on it. */
export type MessageRoute = 'send' | 'stream' | 'async'

const message = z
  .object({
    type: z.literal('message'),
    role: z.enum(['user', 'system', 'assistant']),
    content: textContent,
    name: absentOr(text()),
    otid: absentOr(text()),
    sender_id: absentOr(text()),
  })
  .transform(
    ({ role, content, name, otid, sender_id }): InputMessage => ({
      role,
      content,
      name: name ?? null,
      otid: otid ?? null,
      sender_id: sender_id ?? null,
    }),
  )

const TYPES: readonly unknown[] = ['message', 'approval', 'tool_return']

/** An item without a type is a message, or an approval when it has the fields of one. */
const item = z
  .record(z.string(), z.unknown())
  .transform((value, context): Record<string, unknown> => {
    const untyped = 'approve' in value || 'approval_request_id' in value ? 'approval' : 'message'
    const type = value.type ?? untyped
    if (TYPES.includes(type)) return { ...value, type }
    const issue = customIssue('invalid_argument', `expected ${TYPES.join(' or ')}`)
    context.addIssue({ ...issue, path: ['type'] })
    return z.NEVER
  })
  .pipe(z.discriminatedUnion('type', [message, approval, toolReturn]))

const flag = absentOr(z.boolean())

const body = z.object({
  messages: absentOr(z.array(item).max(MESSAGES_MAX)),
  input: absentOr(textContent),
  max_steps: absentOr(integer({ min: 1, max: STEPS_MAX })),
  use_assistant_message: flag,
  assistant_message_tool_name: absentOr(text()),
  assistant_message_tool_kwarg: absentOr(text()),
  include_return_message_types: absentOr(z.array(text())),
  include_compaction_messages: flag,
  override_model: absentOr(handle()),
  override_system: absentOr(text()),
  system: absentOr(text()),
  streaming: flag,
  stream_tokens: flag,
  include_pings: flag,
  background: flag,
  client_tools: clientTools,
  callback_url: absentOr(text()),
  max_tokens: absentOr(integer({ min: 1, max: TOKENS_MAX })),
  deadline_ms: absentOr(integer({ min: 1, max: DEADLINE_MS_MAX })),
  policy: absentOr(z.enum(['enqueue', 'reject', 'interrupt'])),
})
type Body = z.output<typeof body>

/**
 * The body of a message call: exactly one of `messages` and `input`. What is not there yet is refused
 * by name rather than ignored; fields nobody knows are ignored, as existing clients expect.
 */
export function turnRequest(route: MessageRoute) {
  return body
    .superRefine((value, context) => {
      for (const { field, code, message } of [...faults(value), ...routeFaults(value, route)]) {
        context.addIssue({ ...customIssue(code, message), path: [field] })
      }
    })
    .transform((value): TurnRequest => {
      const isStream = route === 'stream' || value.streaming === true
      const asked = options(value, route, isStream)
      const { max_tokens } = value
      return {
        input: input(value),
        answers: value.messages?.find(isAnswer) ?? null,
        options: asked,
        budget: { max_steps: asked.max_steps, ...(max_tokens ? { max_tokens } : {}) },
        deadlineMs: value.deadline_ms ?? null,
        policy: value.policy ?? 'enqueue',
        stream: isStream ? { pings: value.include_pings ?? true } : null,
      }
    })
}

interface Fault {
  readonly field: keyof Body
  readonly code: 'empty_messages' | 'invalid_argument'
  readonly message: string
}

function refuse(field: keyof Body, message: string): Fault {
  return { field, code: 'invalid_argument', message }
}

function faults(value: Body): Fault[] {
  const found: Fault[] = []
  const { messages, input } = value
  if (messages && input !== undefined)
    found.push(refuse('input', 'send messages or input, not both'))
  if (!messages && input === undefined)
    found.push(refuse('messages', 'missing: send messages or input'))
  if (messages?.length === 0) {
    found.push({
      field: 'messages',
      code: 'empty_messages',
      message: 'expected at least 1 message',
    })
  }
  if (messages?.some(isAnswer) && messages.length > 1) {
    found.push(refuse('messages', 'answers to tool calls are sent alone, in one item'))
  }
  return found
}

function routeFaults(value: Body, route: MessageRoute): Fault[] {
  const found: Fault[] = []
  if (route === 'async' && value.streaming) {
    const instead = 'this call does not wait: read POST /v1/runs/{run_id}/stream'
    found.push(refuse('streaming', instead))
  }
  if (route === 'send' && !value.streaming) {
    if (value.stream_tokens) found.push(refuse('stream_tokens', 'only with streaming'))
    if (value.background) {
      found.push(refuse('background', 'only with streaming; or use /messages/async'))
    }
  }
  if (route !== 'async' && value.callback_url !== undefined) {
    found.push(refuse('callback_url', 'only on /messages/async: this call is answered itself'))
  }
  return found
}

function isAnswer(item: InputMessage | CallAnswers): item is CallAnswers {
  return 'to' in item
}

function input({ messages, input }: Body): readonly InputMessage[] {
  if (input === undefined) return messages?.flatMap((item) => (isAnswer(item) ? [] : [item])) ?? []
  return [{ role: 'user', content: input, name: null, otid: null, sender_id: null }]
}

function options(value: Body, route: MessageRoute, isStream: boolean): TurnOptions {
  const standard = DEFAULT_OPTIONS
  return {
    max_steps: value.max_steps ?? standard.max_steps,
    override_model: value.override_model ?? null,
    override_system: value.override_system ?? value.system ?? null,
    use_assistant_message: value.use_assistant_message ?? standard.use_assistant_message,
    assistant_message_tool_name:
      value.assistant_message_tool_name ?? standard.assistant_message_tool_name,
    assistant_message_tool_kwarg:
      value.assistant_message_tool_kwarg ?? standard.assistant_message_tool_kwarg,
    include_return_message_types: value.include_return_message_types ?? null,
    background: route === 'async' || value.background === true,
    ...(value.include_compaction_messages ? { include_compaction_messages: true as const } : {}),
    ...(isStream ? { streaming: true as const } : {}),
    ...(value.stream_tokens ? { stream_tokens: true as const } : {}),
    ...(value.callback_url === undefined ? {} : { callback_url: value.callback_url }),
    ...(value.client_tools?.length ? { client_tools: value.client_tools } : {}),
  }
}
