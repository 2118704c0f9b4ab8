import type { Actor } from './actor.js'
import type { AnswerEvent, CallAnswer } from './approval-events.js'
import { echo, type Rejection, rejection } from './errors.js'
import { accept, type Decided, reject } from './event.js'
import { isClientTool, type TurnState, waitingCalls } from './turn.js'
import { isOver } from './turn-steps.js'

export interface AnsweredCall {
  readonly toolCallId: string
  readonly answer: CallAnswer
}

/** What is said to which calls of a turn, to each its own or one to all. */
export interface AnswersOfStep {
  /** The step they are about; null where only the calls are named. */
  readonly step: number | null
  readonly to: readonly AnsweredCall[] | CallAnswer
}

/**
 * Answers calls that wait, all of these or none. Each can be answered once: so nobody's word is
 * overwritten by somebody else's.
 */
export function answerCalls(
  state: TurnState,
  { step, to }: AnswersOfStep,
  by: Actor,
): Decided<AnswerEvent[]> {
  const current = !isOver(state) && (step === null || step === state.steps.length)
  const waiting = new Map(
    (current ? waitingCalls(state) : []).map((call) => [call.tool_call_id, call]),
  )
  const answers =
    'kind' in to ? [...waiting.keys()].map((id) => ({ toolCallId: id, answer: to })) : to
  if (answers.length === 0) return reject(notWaiting(state.id))
  for (const { toolCallId, answer } of answers) {
    const call = waiting.get(toolCallId)
    if (!call) return reject(notWaiting(state.id, toolCallId))
    if (answer.kind === 'given' && isClientTool(state, call.name)) {
      const detail = `${echo(call.name)} is run by the client: send what it returned, or deny the call`
      return reject(rejection('invalid_argument', detail, { tool_call_id: toolCallId }))
    }
    waiting.delete(toolCallId)
  }
  return accept(events(state.steps.length, answers, by))
}

/** @param toolCallId null: none of those that were asked about */
export function notWaiting(runId: string | null, toolCallId: string | null = null): Rejection {
  const which = toolCallId === null ? 'call of this request' : `call ${echo(toolCallId)}`
  const facts = { run_id: runId, tool_call_id: toolCallId }
  return rejection('unknown_tool_call', `No ${which} waits for an answer`, facts)
}

/** One event for all that may be made, one for each reason not to make some, one for each return. */
function events(step: number, answers: readonly AnsweredCall[], by: Actor): AnswerEvent[] {
  const given: string[] = []
  const args: Record<string, string> = {}
  const denied = new Map<string | null, string[]>()
  const returned: AnswerEvent[] = []
  for (const { toolCallId: id, answer } of answers) {
    if (answer.kind === 'given') {
      given.push(id)
      if (answer.args !== null) args[id] = answer.args
    } else if (answer.kind === 'denied') {
      denied.set(answer.reason, [...(denied.get(answer.reason) ?? []), id])
    } else {
      const { status, result } = answer
      returned.push({
        type: 'ToolAnswered',
        payload: { step, tool_call_id: id, status, result, by },
      })
    }
  }
  const edited = Object.keys(args).length > 0 ? { args } : {}
  return [
    ...(given.length > 0
      ? [{ type: 'ApprovalGiven' as const, payload: { step, tool_call_ids: given, by, ...edited } }]
      : []),
    ...[...denied].map(([reason, tool_call_ids]): AnswerEvent => {
      return { type: 'ApprovalDenied', payload: { step, tool_call_ids, by, reason } }
    }),
    ...returned,
  ]
}
