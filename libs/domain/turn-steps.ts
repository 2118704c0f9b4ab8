import type { Actor } from './actor.js'
import { uniqueIds } from './call-ids.js'
import { awaitsRequest, type CompactionState, pendingCompaction } from './compaction.js'
import { rejection } from './errors.js'
import { accept, type Decided, reject } from './event.js'
import {
  ATTEMPTS_WITHOUT_PROGRESS_MAX,
  addUsage,
  type CallState,
  isClientTool,
  NO_USAGE,
  type StepState,
  type TurnState,
  waitingCalls,
} from './turn.js'
import type {
  ModelReply,
  ParkReason,
  Seen,
  StopReason,
  ToolReturn,
  TurnEvent,
  Usage,
} from './turn-events.js'

/** What a turn does next is a pure function of its journal, so a resumed turn goes on where it was. */
export type NextAction =
  | { readonly do: 'start' }
  | { readonly do: 'cancel' }
  | { readonly do: 'expire' }
  | { readonly do: 'compact'; readonly compaction: CompactionState }
  | { readonly do: 'ask'; readonly step: StepState }
  | { readonly do: 'call'; readonly step: StepState; readonly calls: readonly CallState[] }
  | { readonly do: 'nothing' }

/**
 * @param epoch the caller's claim of the agent; a turn started under an older one is started again. Having
 *   been claimed at all means that a parked turn's time has come.
 * @param now UTC ISO-8601 with milliseconds and Z.
 */
export function nextAction(state: TurnState, epoch: number, now: string): NextAction {
  if (isOver(state) || state.status === 'none') return { do: 'nothing' }
  if (state.cancelRequested) return { do: 'cancel' }
  if (state.deadline !== null && state.deadline <= now) return { do: 'expire' }
  if (state.status === 'parked' && state.epoch === epoch) return { do: 'nothing' }
  if (state.status !== 'running' || state.epoch !== epoch) return { do: 'start' }
  const compaction = pendingCompaction(state)
  if (compaction) return { do: 'compact', compaction }
  const step = state.steps.at(-1)
  if (!step || awaitsRequest(state)) return { do: 'start' }
  if (!step.reply) return { do: 'ask', step }
  if (waitingCalls(state).length > 0) return { do: 'nothing' }
  const calls = step.calls.filter((call) => !call.returned)
  return calls.length > 0 ? { do: 'call', step, calls } : { do: 'nothing' }
}

/** Statuses of a turn that has ended. */
export const OVER = ['completed', 'failed', 'cancelled', 'dead_lettered'] as const

export function isOver(state: TurnState): boolean {
  return (OVER as readonly string[]).includes(state.status)
}

export type QueuedPayload = Extract<TurnEvent, { type: 'TurnQueued' }>['payload']
export type CompactionPayload = Extract<TurnEvent, { type: 'CompactionRequested' }>['payload']
export type RequestedPayload = Extract<TurnEvent, { type: 'ModelRequested' }>['payload']

export function queueTurn(state: TurnState, payload: QueuedPayload): Decided<TurnEvent[]> {
  if (state.version > 0) {
    return reject(
      rejection('already_exists', `Run ${state.id} already exists`, { run_id: state.id }),
    )
  }
  if (payload.input.length === 0) {
    return reject(rejection('empty_messages', 'A turn needs at least one message'))
  }
  return accept([{ type: 'TurnQueued', payload }])
}

/**
 * Begins or resumes: a turn that was started too often without a new step is dead-lettered, so one
 * poisoned turn cannot hold up its agent for ever.
 *
 * @param first the next model request; null when it could not be made, which counts as a start too.
 * @param compaction what is asked first to make room for it.
 */
export function startTurn(
  state: TurnState,
  claim: { readonly workerId: string; readonly epoch: number },
  first: RequestedPayload | null,
  compaction: CompactionPayload | null = null,
): TurnEvent[] {
  const begun = begin(state, claim, firstEvents(state, first, compaction))
  const goesOn = begun.some(({ type }) => type === 'TurnStarted' || type === 'TurnResumed')
  return goesOn && waitingCalls(state).length > 0 ? [...begun, UNTIL_ANSWERED] : begun
}

/** Claiming a turn answers nothing: one that waits for somebody waits on. */
const UNTIL_ANSWERED: TurnEvent = {
  type: 'TurnParked',
  payload: { reason: 'approval', until: null },
}

/** A step is asked once, and once more behind a compaction; a window is compacted before all steps. */
function firstEvents(
  state: TurnState,
  first: RequestedPayload | null,
  compaction: CompactionPayload | null,
): TurnEvent[] {
  if (!awaitsRequest(state)) return []
  if (compaction && state.steps.length === 0 && state.compactions.length === 0)
    return [{ type: 'CompactionRequested', payload: compaction }]
  return first ? [{ type: 'ModelRequested', payload: first }] : []
}

function begin(
  state: TurnState,
  claim: { readonly workerId: string; readonly epoch: number },
  asked: readonly TurnEvent[],
): TurnEvent[] {
  if (isOver(state)) return []
  if (state.status === 'running' && state.epoch === claim.epoch) return [...asked]
  if (state.status === 'parked') {
    const { workerId: worker_id, epoch } = claim
    return [
      { type: 'TurnResumed', payload: { worker_id, epoch, from_step: state.steps.length } },
      ...asked,
    ]
  }
  if (state.attemptsWithoutProgress >= ATTEMPTS_WITHOUT_PROGRESS_MAX) {
    const { attempts, usage } = state
    const last_error = `started ${attempts} times without finishing another step`
    return [{ type: 'TurnDeadLettered', payload: { attempts, last_error, usage } }]
  }
  const started: TurnEvent = {
    type: 'TurnStarted',
    payload: { worker_id: claim.workerId, epoch: claim.epoch, attempt: state.attempts + 1 },
  }
  return [started, ...asked]
}

/**
 * Records a model's answer. Without tool calls the turn ends; with them every call is recorded
 * before any of them is made, and where one needs an answer the turn is parked until it has it.
 *
 * @param approval names of the tools whose calls wait for a person
 */
export function recordReply(
  state: TurnState,
  payload: Extract<TurnEvent, { type: 'ModelResponded' }>['payload'],
  approval: ReadonlySet<unknown>,
): TurnEvent[] {
  const step = state.steps.at(-1)
  if (isOver(state) || !step || step.step !== payload.step || step.reply) return []
  if (pendingCompaction(state) || awaitsRequest(state)) return []
  const tool_calls = uniqueIds(state, payload.step, payload.response.tool_calls)
  const response: ModelReply = { ...payload.response, tool_calls }
  const responded: TurnEvent = { type: 'ModelResponded', payload: { ...payload, response } }
  if (state.cancelRequested) return [responded, ...cancelTurn(state, payload.usage)]
  if (tool_calls.length === 0) {
    return [responded, completed('end_turn', addUsage(state.usage, payload.usage))]
  }
  const { step: n } = payload
  const called = tool_calls.map(
    ({ tool_call_id, name, arguments: args }, index): TurnEvent => ({
      type: 'ToolCalled',
      payload: { step: n, index, tool_call_id, name, args },
    }),
  )
  const waiting = tool_calls.filter(({ name }) => approval.has(name) || isClientTool(state, name))
  if (waiting.length === 0) return [responded, ...called]
  const tool_call_ids = waiting.map((call) => call.tool_call_id)
  const asked: TurnEvent = { type: 'ApprovalRequested', payload: { step: n, tool_call_ids } }
  return [responded, ...called, asked, UNTIL_ANSWERED]
}

/**
 * Records that the model failed and when it is asked again.
 *
 * @param parks the turn waits so long without its worker: others get the place.
 */
export function scheduleRetry(
  state: TurnState,
  payload: Extract<TurnEvent, { type: 'ModelRetryScheduled' }>['payload'],
  parks = false,
): TurnEvent[] {
  const step = pendingCompaction(state) ?? state.steps.find((one) => !one.reply)
  if (isOver(state) || step?.step !== payload.step) return []
  if (payload.attempt !== step.retries + 1) return []
  const scheduled: TurnEvent = { type: 'ModelRetryScheduled', payload }
  if (!parks) return [scheduled]
  return [scheduled, ...parkTurn(state, { reason: 'model_retry', until: payload.not_before })]
}

/** Lets a running turn wait without its worker, but not past its deadline. It is no attempt of anything. */
export function parkTurn(
  state: TurnState,
  { reason, until }: { readonly reason: ParkReason; readonly until: string },
): TurnEvent[] {
  const { deadline, status, cancelRequested } = state
  if (status !== 'running' || cancelRequested) return []
  const end = deadline !== null && deadline < until ? deadline : until
  return [{ type: 'TurnParked', payload: { reason, until: end } }]
}

/**
 * Records a tool's return. The step's last one carries what comes next: the next model request
 * (`request` makes it from the journal as it then is), or the end.
 *
 * @param terminal names of tools after which the turn ends.
 */
export function recordReturn(
  state: TurnState,
  value: ToolReturn,
  terminal: ReadonlySet<string>,
  request: (step: number, seen: Seen, withReturn: StepState) => RequestedPayload,
): TurnEvent[] {
  const step = state.steps.at(-1)
  const call = step?.calls.find((c) => c.index === value.index)
  if (isOver(state) || !step || step.step !== value.step || !call || call.returned) return []
  if (waitingCalls(state).length > 0) return []
  const event: TurnEvent = { type: 'ToolReturned', payload: value }
  const calls = step.calls.map((c) => (c.index === value.index ? { ...c, returned: value } : c))
  if (state.cancelRequested) return [event, ...cancelTurn(state)]
  if (calls.some((c) => !c.returned)) return [event]
  const ends = calls.some((c) => terminal.has(c.name) && c.returned?.status === 'success')
  if (ends) return [event, completed('tool_rule', state.usage)]
  if (step.step >= state.options.max_steps) return [event, completed('max_steps', state.usage)]
  const seen = { ...step.seen, ...Object.assign({}, ...calls.map((c) => c.returned?.seen ?? {})) }
  return [
    event,
    { type: 'ModelRequested', payload: request(step.step + 1, seen, { ...step, calls }) },
  ]
}

export function failTurn(
  state: TurnState,
  failure: {
    readonly class: string
    readonly retriable: boolean
    readonly detail: string
    readonly stop_reason: StopReason
    readonly facts: Readonly<Record<string, unknown>>
  },
): TurnEvent[] {
  if (isOver(state)) return []
  return [{ type: 'TurnFailed', payload: { ...failure, usage: state.usage } }]
}

/**
 * Asks a turn to end. One that no worker can be at ends at once; a running one at its next commit, and
 * what it has done stays. Asking again changes nothing.
 */
export function requestCancel(
  state: TurnState,
  payload: Extract<TurnEvent, { type: 'TurnCancelRequested' }>['payload'],
): TurnEvent[] {
  if (isOver(state) || state.status === 'none' || state.cancelRequested) return []
  const asked: TurnEvent = { type: 'TurnCancelRequested', payload }
  if (state.status === 'running') return [asked]
  return [asked, ...cancelTurn({ ...state, cancelRequested: payload.by })]
}

/** @param usage of the step that ends with it. */
export function cancelTurn(state: TurnState, usage: Usage = NO_USAGE): TurnEvent[] {
  const { cancelRequested: by, steps } = state
  if (isOver(state) || !by) return []
  const payload = { by, at_step: steps.length, usage: addUsage(state.usage, usage) }
  return [{ type: 'TurnCancelled', payload }]
}

/** Puts a failed turn back: it goes on from its last recorded step, and repeats none. */
export function requeueTurn(state: TurnState, by: Actor): Decided<TurnEvent[]> {
  if (state.status === 'failed' || state.status === 'dead_lettered') {
    return accept([{ type: 'TurnRequeued', payload: { by } }])
  }
  const detail = `Run ${state.id} is ${state.status}: only one that failed can be tried again`
  return reject(rejection('run_not_failed', detail, { run_id: state.id, status: state.status }))
}

/**
 * Ends a turn whose deadline has passed.
 *
 * @param claimed whether the caller has claimed the agent: a running turn is its worker's to end.
 */
export function expireTurn(state: TurnState, now: string, claimed: boolean): TurnEvent[] {
  const { deadline, status } = state
  if (deadline === null || now < deadline || (status === 'running' && !claimed)) return []
  return failTurn(state, {
    class: 'Deadline',
    retriable: false,
    detail: `The turn was not over by its deadline, ${deadline}`,
    stop_reason: 'error',
    facts: { deadline },
  })
}

function completed(stop_reason: StopReason, usage: Usage): TurnEvent {
  return { type: 'TurnCompleted', payload: { stop_reason, usage } }
}
