import { z } from 'zod'
import type { CallAnswer } from '#domain/approval-events.js'
import type { AnsweredCall } from '#domain/call-answers.js'
import { absentOr, customIssue, id, jsonObject, text } from '../http/validation.js'
import { textContent } from './text-content-wire.js'

/** Calls answered at once. */
const ANSWERS_MAX = 256

/** What is said to calls that wait for it. */
export interface CallAnswers {
  /** The message that asked; null where only the calls are named. */
  readonly requestId: string | null
  /** To each its own, or one to all that the message asks about. */
  readonly to: readonly AnsweredCall[] | CallAnswer
  readonly otid: string | null
}

/** Arguments to use instead of the model's: an object, or its JSON text as a tool call has it. */
const editedArguments = z.union([text(), jsonObject()]).transform((value, context) => {
  if (typeof value !== 'string') return JSON.stringify(value)
  if (isObject(value)) return value
  context.addIssue(customIssue('invalid_argument', 'expected a JSON object'))
  return z.NEVER
})

const verdict = z
  .object({
    type: z.literal('approval'),
    tool_call_id: text(),
    approve: z.boolean(),
    reason: absentOr(text()),
    arguments: absentOr(editedArguments),
  })
  .superRefine((value, context) => {
    if (value.approve || value.arguments === undefined) return
    const issue = customIssue('invalid_argument', 'only with an approval')
    context.addIssue({ ...issue, path: ['arguments'] })
  })
  .transform(({ tool_call_id: toolCallId, approve, reason, arguments: args }): AnsweredCall => {
    return { toolCallId, answer: approve ? given(args) : denied(reason) }
  })

const returned = z
  .object({
    type: z.literal('tool'),
    tool_call_id: text(),
    tool_return: textContent,
    status: z.enum(['success', 'error']),
  })
  .transform(({ tool_call_id: toolCallId, tool_return: value, status }): AnsweredCall => {
    const result = typeof value === 'string' ? value : value.map((part) => part.text).join('\n')
    return { toolCallId, answer: { kind: 'returned', status, result } }
  })

const answer = ofType('approval', z.discriminatedUnion('type', [verdict, returned]))

/** Letta's approval message: a list of answers, or the older pair that answers a whole request. */
export const approval = z
  .object({
    type: z.literal('approval'),
    approvals: absentOr(z.array(answer).min(1).max(ANSWERS_MAX)),
    approve: absentOr(z.boolean()),
    approval_request_id: absentOr(id('message')),
    reason: absentOr(text()),
    otid: absentOr(text()),
  })
  .transform((value, context): CallAnswers => {
    const { approvals, approve, approval_request_id, reason, otid = null } = value
    const requestId = approval_request_id ?? null
    if (approvals) return { requestId, to: approvals, otid }
    const missing = (field: string, message: string) =>
      context.addIssue({ ...customIssue('invalid_argument', message), path: [field] })
    if (approve === undefined) missing('approvals', 'missing: send approvals')
    if (requestId === null)
      missing('approval_request_id', 'missing: name the request, or send approvals')
    return { requestId, to: approve ? given() : denied(reason), otid }
  })

/** Letta's message of returns alone. */
export const toolReturn = z
  .object({
    type: z.literal('tool_return'),
    tool_returns: z.array(ofType('tool', returned)).min(1).max(ANSWERS_MAX),
    otid: absentOr(text()),
  })
  .transform(({ tool_returns: to, otid = null }): CallAnswers => ({ requestId: null, to, otid }))

/** An item of a list of one kind may leave its type out. */
function ofType<S extends z.ZodType<unknown, Record<string, unknown>>>(type: string, schema: S) {
  return z
    .record(z.string(), z.unknown())
    .transform((value): Record<string, unknown> => ({ ...value, type: value.type ?? type }))
    .pipe(schema)
}

function given(args: string | null = null): CallAnswer {
  return { kind: 'given', args }
}

function denied(reason: string | null = null): CallAnswer {
  return { kind: 'denied', reason }
}

function isObject(json: string): boolean {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}
