import type { Actor } from './actor.js'
import type { CallAnswer } from './approval-events.js'
import { type CompactionState, evolveCompactions, pendingCompaction } from './compaction.js'
import type { Foldable } from './event.js'
import type {
  HistoryWindow,
  InputMessage,
  MemoryDelta,
  ModelReply,
  ParkReason,
  Seen,
  StopReason,
  ToolCall,
  ToolReturn,
  TurnBudget,
  TurnEvent,
  TurnOptions,
  TurnSource,
  Usage,
} from './turn-events.js'
import { answered, asked, called, requested, returned, withRequest } from './turn-step-fold.js'

export interface CallState extends ToolCall {
  readonly index: number
  /** What was said to it; null: it waits for that. Absent: it needs nobody's answer. */
  readonly answer?: (CallAnswer & { readonly by: Actor }) | null
  readonly returned: ToolReturn | null
}

export interface StepState {
  readonly step: number
  readonly model: string
  readonly seen: Seen
  readonly agentVersion: number
  readonly history: HistoryWindow
  readonly delta: MemoryDelta | null
  readonly contextHash: string
  readonly requestedAt: string
  readonly respondedAt: string | null
  readonly reply: ModelReply | null
  readonly usage: Usage | null
  readonly retries: number
  /** A failed call is not repeated before this time. */
  readonly notBefore: string | null
  readonly calls: readonly CallState[]
}

export type TurnStatus =
  | 'none'
  | 'queued'
  | 'running'
  | 'parked'
  | 'completed'
  | 'failed'
  | 'cancelled'
  | 'dead_lettered'

/** The fold of a turn's stream: its journal. */
export interface TurnState {
  readonly id: string
  readonly version: number
  readonly agentId: string
  readonly status: TurnStatus
  readonly input: readonly InputMessage[]
  readonly options: TurnOptions
  readonly requestHash: string | null
  readonly source: TurnSource
  readonly budget: TurnBudget
  readonly deadline: string | null
  /** While it waits without a worker: for what, and until when. */
  readonly parked: { readonly reason: ParkReason; readonly until: string | null } | null
  /** Who wants it to end; it ends at its next commit. */
  readonly cancelRequested: Actor | null
  readonly epoch: number
  readonly attempts: number
  /** `TurnStarted` without a new step since: three of them and the turn is dead-lettered. */
  readonly attemptsWithoutProgress: number
  readonly steps: readonly StepState[]
  readonly compactions: readonly CompactionState[]
  readonly stopReason: StopReason | null
  readonly failure: {
    readonly class: string
    readonly detail: string
    readonly facts: object
  } | null
  readonly usage: Usage
  readonly simulated: boolean
  readonly queuedAt: string
  readonly startedAt: string | null
  readonly doneAt: string | null
}

/** Starts of a turn that may pass without a new recorded step. */
export const ATTEMPTS_WITHOUT_PROGRESS_MAX = 3

export const NO_USAGE: Usage = {
  prompt_tokens: 0,
  completion_tokens: 0,
  total_tokens: 0,
  cached_input_tokens: 0,
  reasoning_tokens: 0,
}

export const DEFAULT_OPTIONS: TurnOptions = {
  max_steps: 50,
  override_model: null,
  override_system: null,
  use_assistant_message: true,
  assistant_message_tool_name: 'send_message',
  assistant_message_tool_kwarg: 'message',
  include_return_message_types: null,
  background: false,
}

export function initialTurn(id: string): TurnState {
  return {
    id,
    version: 0,
    agentId: '',
    status: 'none',
    input: [],
    options: DEFAULT_OPTIONS,
    requestHash: null,
    source: 'rest',
    budget: { max_steps: DEFAULT_OPTIONS.max_steps },
    deadline: null,
    parked: null,
    cancelRequested: null,
    epoch: 0,
    attempts: 0,
    attemptsWithoutProgress: 0,
    steps: [],
    compactions: [],
    stopReason: null,
    failure: null,
    usage: NO_USAGE,
    simulated: false,
    queuedAt: '',
    startedAt: null,
    doneAt: null,
  }
}

/** Checks no rule and never throws. */
export function evolveTurn(before: TurnState, event: Foldable<TurnEvent>): TurnState {
  const compactions = evolveCompactions(before.compactions, event)
  const state = { ...before, version: event.version, compactions }
  switch (event.type) {
    case 'TurnQueued': {
      const { agent_id: agentId, request_hash: requestHash, ...asked } = event.payload
      const { input, options, source, budget, deadline } = asked
      const queuedAt = event.recordedAt
      const known = { agentId, input, options, source, budget, deadline, requestHash, queuedAt }
      return { ...state, status: 'queued', ...known }
    }
    case 'TurnStarted':
      return {
        ...state,
        status: 'running',
        epoch: event.payload.epoch,
        attempts: event.payload.attempt,
        attemptsWithoutProgress: before.attemptsWithoutProgress + 1,
        startedAt: before.startedAt ?? event.recordedAt,
      }
    case 'TurnParked':
      return {
        ...state,
        status: 'parked',
        parked: event.payload,
        stopReason: event.payload.reason === 'approval' ? 'requires_approval' : null,
      }
    case 'TurnResumed': {
      const { epoch } = event.payload
      return { ...state, status: 'running', parked: null, stopReason: null, epoch }
    }
    case 'TurnCancelRequested':
      return { ...state, cancelRequested: event.payload.by }
    case 'TurnRequeued':
      return {
        ...progressed(state),
        status: 'queued',
        parked: null,
        cancelRequested: null,
        stopReason: null,
        failure: null,
        doneAt: null,
      }
    case 'ModelRequested':
      return { ...state, steps: withRequest(before.steps, requested(event)) }
    case 'ModelResponded': {
      const { response: reply, usage, simulated } = event.payload
      return {
        ...progressed(state),
        steps: lastStep(before, (step) => ({
          ...step,
          reply,
          usage,
          respondedAt: event.recordedAt,
        })),
        usage: addUsage(before.usage, usage),
        simulated: before.simulated || simulated === true,
      }
    }
    case 'CompactionRequested':
      return state
    case 'ContextCompacted': {
      const { usage, simulated } = event.payload
      const known = before.simulated || simulated === true
      return { ...progressed(state), usage: addUsage(before.usage, usage), simulated: known }
    }
    case 'ModelRetryScheduled':
      if (pendingCompaction(before)) return state
      return {
        ...state,
        steps: lastStep(before, (step) => ({
          ...step,
          retries: step.retries + 1,
          notBefore: event.payload.not_before,
        })),
      }
    case 'ToolCalled':
      return { ...state, steps: lastStep(before, (step) => called(step, event)) }
    case 'ToolReturned':
      return {
        ...progressed(state),
        steps: lastStep(before, (step) => returned(step, event.payload)),
      }
    case 'ApprovalRequested':
      return { ...state, steps: lastStep(before, (step) => asked(step, event.payload)) }
    case 'ApprovalGiven':
    case 'ApprovalDenied':
    case 'ToolAnswered': {
      const steps = lastStep(before, (step) => answered(step, event))
      const next = { ...progressed(state), steps }
      return waitingCalls(next).length > 0 ? next : { ...next, stopReason: null }
    }
    case 'TurnCompleted':
      return {
        ...state,
        status: 'completed',
        stopReason: event.payload.stop_reason,
        doneAt: event.recordedAt,
      }
    case 'TurnFailed': {
      const { class: failureClass, detail, facts, stop_reason: stopReason } = event.payload
      const failure = { class: failureClass, detail, facts }
      return { ...state, status: 'failed', stopReason, failure, doneAt: event.recordedAt }
    }
    case 'TurnCancelled':
      return { ...state, status: 'cancelled', stopReason: 'cancelled', doneAt: event.recordedAt }
    case 'TurnDeadLettered': {
      const failure = { class: 'Poison', detail: event.payload.last_error, facts: {} }
      return {
        ...state,
        status: 'dead_lettered',
        stopReason: 'error',
        failure,
        doneAt: event.recordedAt,
      }
    }
    default:
      return event satisfies never
  }
}

/** Calls of the last step that wait for an answer; of a turn that has ended, those that never got one. */
export function waitingCalls({ steps }: TurnState): readonly CallState[] {
  return steps.at(-1)?.calls.filter((call) => call.answer === null) ?? []
}

/** Whether the caller runs this tool itself. */
export function isClientTool({ options }: TurnState, name: string): boolean {
  return options.client_tools?.some((tool) => tool.name === name) ?? false
}

function lastStep(state: TurnState, change: (step: StepState) => StepState): StepState[] {
  return state.steps.map((step, i) => (i === state.steps.length - 1 ? change(step) : step))
}

function progressed(state: TurnState): TurnState {
  return { ...state, attemptsWithoutProgress: 0 }
}

export function addUsage(a: Usage, b: Usage): Usage {
  return {
    prompt_tokens: a.prompt_tokens + b.prompt_tokens,
    completion_tokens: a.completion_tokens + b.completion_tokens,
    total_tokens: a.total_tokens + b.total_tokens,
    cached_input_tokens: a.cached_input_tokens + b.cached_input_tokens,
    reasoning_tokens: a.reasoning_tokens + b.reasoning_tokens,
  }
}
