import type { AnswerEvent } from './approval-events.js'
import type { Foldable } from './event.js'
import type { CallState, StepState } from './turn.js'
import type { ToolReturn, TurnEvent } from './turn-events.js'

type Payload<T extends TurnEvent['type']> = Extract<TurnEvent, { type: T }>['payload']

/** What the events of a turn make of its steps. Nothing here checks a rule. */
export function requested(
  event: Foldable<Extract<TurnEvent, { type: 'ModelRequested' }>>,
): StepState {
  const {
    step,
    model,
    seen,
    agent_version: agentVersion,
    history,
    delta = null,
    context_hash: contextHash,
  } = event.payload
  return {
    step,
    model,
    seen,
    agentVersion,
    history,
    delta,
    contextHash,
    requestedAt: event.recordedAt,
    respondedAt: null,
    reply: null,
    usage: null,
    retries: 0,
    notBefore: null,
    calls: [],
  }
}

/** A step that is asked again, with a shorter prompt, takes its own place: one more call of it. */
export function withRequest(before: readonly StepState[], step: StepState): readonly StepState[] {
  const last = before.at(-1)
  if (last?.step !== step.step) return [...before, step]
  return [...before.slice(0, -1), { ...step, retries: last.retries + 1 }]
}

export function called(step: StepState, event: { payload: Payload<'ToolCalled'> }): StepState {
  const { index, tool_call_id, name, args } = event.payload
  return {
    ...step,
    calls: [...step.calls, { index, tool_call_id, name, arguments: args, returned: null }],
  }
}

export function returned(step: StepState, value: ToolReturn): StepState {
  return withCalls(step, (call) =>
    call.index === value.index ? { ...call, returned: value } : call,
  )
}

export function asked(step: StepState, { tool_call_ids }: Payload<'ApprovalRequested'>): StepState {
  return withCalls(step, (call) =>
    tool_call_ids.includes(call.tool_call_id) ? { ...call, answer: null } : call,
  )
}

export function answered(step: StepState, event: AnswerEvent): StepState {
  return withCalls(step, (call) =>
    answeredCalls(event).includes(call.tool_call_id)
      ? { ...call, answer: answerTo(call, event) }
      : call,
  )
}

/** Ids of the calls that an answer is about. */
export function answeredCalls({ type, payload }: AnswerEvent): readonly string[] {
  return type === 'ToolAnswered' ? [payload.tool_call_id] : payload.tool_call_ids
}

function answerTo(
  { tool_call_id: id }: CallState,
  { type, payload }: AnswerEvent,
): NonNullable<CallState['answer']> {
  const { by } = payload
  switch (type) {
    case 'ApprovalGiven':
      return { kind: 'given', args: payload.args?.[id] ?? null, by }
    case 'ApprovalDenied':
      return { kind: 'denied', reason: payload.reason, by }
    case 'ToolAnswered':
      return { kind: 'returned', status: payload.status, result: payload.result, by }
  }
}

function withCalls(step: StepState, change: (call: CallState) => CallState): StepState {
  return { ...step, calls: step.calls.map(change) }
}
