import { rejection } from './errors.js'
import { accept, type Decided, reject } from './event.js'
import {
  ATTEMPTS_WITHOUT_PROGRESS_MAX,
  addUsage,
  type CallState,
  type StepState,
  type TurnState,
} from './turn.js'
import type {
  ModelReply,
  Seen,
  StopReason,
  ToolCall,
  ToolReturn,
  TurnEvent,
  Usage,
} from './turn-events.js'

/** What a turn does next is a pure function of its journal, so a resumed turn goes on where it was. */
export type NextAction =
  | { readonly do: 'start' }
  | { readonly do: 'ask'; readonly step: StepState }
  | { readonly do: 'call'; readonly step: StepState; readonly calls: readonly CallState[] }
  | { readonly do: 'nothing' }

/** `epoch`: the caller's claim of the agent; a turn started under an older one is started again. */
export function nextAction(state: TurnState, epoch: number): NextAction {
  if (isOver(state) || state.status === 'none') return { do: 'nothing' }
  if (state.status === 'queued' || state.epoch !== epoch) return { do: 'start' }
  const step = state.steps.at(-1)
  if (!step) return { do: 'start' }
  if (!step.reply) return { do: 'ask', step }
  const calls = step.calls.filter((call) => !call.returned)
  return calls.length > 0 ? { do: 'call', step, calls } : { do: 'nothing' }
}

export function isOver(state: TurnState): boolean {
  return (
    state.status === 'completed' || state.status === 'failed' || state.status === 'dead_lettered'
  )
}

export type QueuedPayload = Extract<TurnEvent, { type: 'TurnQueued' }>['payload']
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
 * @param first the first model request; null when it could not be made, which counts as a start too.
 */
export function startTurn(
  state: TurnState,
  claim: { readonly workerId: string; readonly epoch: number },
  first: RequestedPayload | null,
): TurnEvent[] {
  if (isOver(state)) return []
  const asked: TurnEvent[] =
    first && state.steps.length === 0 ? [{ type: 'ModelRequested', payload: first }] : []
  if (state.status === 'running' && state.epoch === claim.epoch) return asked
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
 * before any of them is made.
 */
export function recordReply(
  state: TurnState,
  payload: Extract<TurnEvent, { type: 'ModelResponded' }>['payload'],
): TurnEvent[] {
  const step = state.steps.at(-1)
  if (isOver(state) || !step || step.step !== payload.step || step.reply) return []
  const tool_calls = uniqueIds(state, payload.step, payload.response.tool_calls)
  const response: ModelReply = { ...payload.response, tool_calls }
  const responded: TurnEvent = { type: 'ModelResponded', payload: { ...payload, response } }
  if (tool_calls.length === 0) {
    return [responded, completed('end_turn', addUsage(state.usage, payload.usage))]
  }
  return [
    responded,
    ...tool_calls.map(
      ({ tool_call_id, name, arguments: args }, index): TurnEvent => ({
        type: 'ToolCalled',
        payload: { step: payload.step, index, tool_call_id, name, args },
      }),
    ),
  ]
}

/** Records that the model failed and when it is asked again. */
export function scheduleRetry(
  state: TurnState,
  payload: Extract<TurnEvent, { type: 'ModelRetryScheduled' }>['payload'],
): TurnEvent[] {
  const step = state.steps.at(-1)
  if (isOver(state) || !step || step.step !== payload.step || step.reply) return []
  if (payload.attempt !== step.retries + 1) return []
  return [{ type: 'ModelRetryScheduled', payload }]
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
  const event: TurnEvent = { type: 'ToolReturned', payload: value }
  const calls = step.calls.map((c) => (c.index === value.index ? { ...c, returned: value } : c))
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

function completed(stop_reason: StopReason, usage: Usage): TurnEvent {
  return { type: 'TurnCompleted', payload: { stop_reason, usage } }
}

/** Providers repeat or omit ids; on the wire each names one call of the turn. */
function uniqueIds(state: TurnState, step: number, calls: readonly ToolCall[]): ToolCall[] {
  const taken = new Set(state.steps.flatMap((s) => s.calls.map((call) => call.tool_call_id)))
  return calls.map((call, index) => {
    const free = call.tool_call_id !== '' && !taken.has(call.tool_call_id)
    const tool_call_id = free ? call.tool_call_id : `call_${step}_${index}_${state.id.slice(-12)}`
    taken.add(tool_call_id)
    return { ...call, tool_call_id }
  })
}
