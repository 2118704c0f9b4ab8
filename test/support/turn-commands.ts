import type { Actor } from '#domain/actor.js'
import { type AnswersOfStep, answerCalls } from '#domain/call-answers.js'
import { draft } from '#domain/draft.js'
import { DEFAULT_OPTIONS, initialTurn, type TurnState } from '#domain/turn.js'
import type { ToolReturn, TurnEvent, TurnOptions, Usage } from '#domain/turn-events.js'
import {
  cancelTurn,
  expireTurn,
  failTurn,
  queueTurn,
  type RequestedPayload,
  recordReply,
  recordReturn,
  requestCancel,
  requeueTurn,
  scheduleRetry,
  startTurn,
} from '#domain/turn-steps.js'

/** The commands of a turn as functions from its state to its events: given, when, then. */
export const RUN = 'run-00000000-0000-4000-8000-000000000001'
export const by = {
  actor: { kind: 'system', id: 'worker-1' },
  now: '2026-01-05T09:00:00.000Z',
} as const
export const USAGE: Usage = {
  prompt_tokens: 10,
  completion_tokens: 5,
  total_tokens: 15,
  cached_input_tokens: 2,
  reasoning_tokens: 1,
}
const TERMINAL = new Set(['send_message'])
/** Calls of it wait for a person. */
const NEEDS_APPROVAL = new Set(['delete_file'])
export const USER: Actor = { kind: 'user', id: 'ann' }
const FAILURE = {
  class: 'Provider.BadRequest',
  retriable: false,
  detail: 'openai answered 400: no',
  stop_reason: 'llm_api_error',
  facts: {},
} as const

export const requested = (step: number, seen = {}): RequestedPayload => ({
  step,
  model: 'openai/gpt-4o-mini',
  seen,
  agent_version: 1,
  history: { omitted: 0, from_message_id: null },
  context_hash: `context ${step}`,
  request_hash: `request ${step}`,
})

const replied = (step: number, ...calls: readonly (readonly [id: string, name: string])[]) => ({
  step,
  response: {
    content: calls.length > 0 ? null : 'done',
    reasoning: null,
    tool_calls: calls.map(([tool_call_id, name]) => ({ tool_call_id, name, arguments: '{}' })),
    finish_reason: calls.length > 0 ? 'tool_calls' : 'stop',
  },
  usage: USAGE,
  latency_ms: 1,
  provider_response_id: null,
})

export const returned = (
  step: number,
  index: number,
  fields: Partial<ToolReturn> = {},
): ToolReturn => ({
  step,
  index,
  tool_call_id: `call_${index}`,
  status: 'success',
  result: 'ok',
  ...fields,
})

export const queuedPayload = (
  options: Partial<TurnOptions> = {},
  deadline: string | null = null,
) => ({
  agent_id: 'agent-1',
  input: [{ role: 'user', content: 'hi', name: null, otid: null, sender_id: null } as const],
  source: 'rest' as const,
  idempotency_key: null,
  budget: { max_steps: 50 },
  deadline,
  policy: 'enqueue' as const,
  options: { ...DEFAULT_OPTIONS, ...options },
  request_hash: null,
})

export const grown = (
  state: TurnState,
  ...steps: ((state: TurnState) => TurnEvent[])[]
): TurnState => steps.reduce((current, step) => draft(current, step(current), by), state)

export const start =
  (epoch: number, first: RequestedPayload | null = requested(1)) =>
  (state: TurnState) =>
    startTurn(state, { workerId: `worker-${epoch}`, epoch }, first)
export const reply =
  (step: number, ...calls: readonly (readonly [string, string])[]) =>
  (state: TurnState) =>
    recordReply(state, replied(step, ...calls), NEEDS_APPROVAL)
export const give =
  (step: number, index: number, fields: Partial<ToolReturn> = {}) =>
  (state: TurnState) =>
    recordReturn(state, returned(step, index, fields), TERMINAL, (next, seen) =>
      requested(next, seen),
    )
export const answer =
  (to: AnswersOfStep['to'], step: number | null = null, actor: Actor = USER) =>
  (state: TurnState): TurnEvent[] => {
    const decided = answerCalls(state, { step, to }, actor)
    return decided.ok ? decided.value : []
  }
export const fail = (state: TurnState) => failTurn(state, FAILURE)
export const retry = (step: number, attempt: number) => (state: TurnState) =>
  scheduleRetry(state, { step, class: 'Provider.RateLimited', attempt, not_before: by.now })
export const park = (step: number, attempt: number, until: string) => (state: TurnState) =>
  scheduleRetry(state, { step, class: 'Provider.RateLimited', attempt, not_before: until }, true)
export const askCancel = (state: TurnState) => requestCancel(state, { by: USER })
export const cancel = (state: TurnState) => cancelTurn(state)
export const expire =
  (now: string, claimed = true) =>
  (state: TurnState) =>
    expireTurn(state, now, claimed)
export const requeue = (state: TurnState): TurnEvent[] => {
  const decided = requeueTurn(state, USER)
  return decided.ok ? decided.value : []
}

export function queued(
  options: Partial<TurnOptions> = {},
  deadline: string | null = null,
): TurnState {
  const decided = queueTurn(initialTurn(RUN), queuedPayload(options, deadline))
  if (!decided.ok) throw new Error(decided.rejection.detail)
  return draft(initialTurn(RUN), decided.value, by)
}
