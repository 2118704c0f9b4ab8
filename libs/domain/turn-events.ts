import type { Actor } from './actor.js'
import type { ApprovalEvent } from './approval-events.js'
import type { CompactionEvent } from './compaction-events.js'

/** A message as it was sent to the agent. `content` is text or parts, as the client wrote it. */
export interface InputMessage {
  readonly role: 'user' | 'system' | 'assistant'
  readonly content: string | readonly InputPart[]
  readonly name: string | null
  readonly otid: string | null
  readonly sender_id: string | null
}
export type InputPart = { readonly type: string; readonly text?: string } & Readonly<
  Record<string, unknown>
>

export interface Usage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
  readonly cached_input_tokens: number
  readonly reasoning_tokens: number
}

/** `arguments` is the text the model wrote. `tool_call_id` is unique in the turn, whatever the provider sent. */
export interface ToolCall {
  readonly tool_call_id: string
  readonly name: string
  readonly arguments: string
}

export interface ModelReply {
  readonly content: string | null
  readonly reasoning: string | null
  readonly tool_calls: readonly ToolCall[]
  readonly finish_reason: string
}

/** Versions of the blocks the model was shown, by block id. */
export type Seen = Readonly<Record<string, number>>

/** What the caller may set for one turn; it stands in the event, so that a resumed turn obeys it too. */
export interface TurnOptions {
  readonly max_steps: number
  readonly override_model: string | null
  readonly override_system: string | null
  readonly use_assistant_message: boolean
  readonly assistant_message_tool_name: string
  readonly assistant_message_tool_kwarg: string
  readonly include_return_message_types: readonly string[] | null
  readonly background: boolean
  /** The caller reads summaries as such. */
  readonly include_compaction_messages?: true
  /** The caller reads the turn as it goes; by tokens, if it says so. */
  readonly streaming?: true
  readonly stream_tokens?: true
  /** Told once when the turn is over. */
  readonly callback_url?: string
  /** Tools that the caller runs: a call of one waits for its return. */
  readonly client_tools?: readonly ClientTool[]
}

/** A tool of the caller's. `parameters` is the JSON Schema of its arguments object. */
export interface ClientTool {
  readonly name: string
  readonly description: string
  readonly parameters: Readonly<Record<string, unknown>>
}

/** Which older messages the model was not sent because they no longer fit its window. */
export interface HistoryWindow {
  /** Stored messages left out, oldest first. */
  readonly omitted: number
  /** The oldest message that was sent, or null when there are none. */
  readonly from_message_id: string | null
  /** The summary that was sent in place of everything before them. */
  readonly summary_message_id?: string
}

export type StopReason =
  | 'end_turn'
  | 'max_steps'
  | 'max_tokens_exceeded'
  | 'tool_rule'
  | 'cancelled'
  /** It has not ended: it is parked until somebody answers. */
  | 'requires_approval'
  | 'error'
  | 'llm_api_error'
  | 'invalid_llm_response'
  | 'context_window_overflow_in_system_prompt'

/** What one turn may use; the call that would exceed it is not made. */
export interface TurnBudget {
  readonly max_steps: number
  /** Tokens of all its model calls together, prompts included; absent means no bound. */
  readonly max_tokens?: number
}

/** What becomes of a message for an agent that is busy. */
export type BusyPolicy = 'enqueue' | 'reject' | 'interrupt'

/** Why a turn waits without a worker. */
export type ParkReason = 'model_retry' | 'model_breaker' | 'approval'

export type TurnSource = 'rest' | 'queue' | 'mcp' | 'cli' | 'schedule' | 'agent' | 'trigger'

/** What a caller wants to find again beside its turn. */
export type TurnMetadata = Readonly<Record<string, string | number | boolean | null>>

/** News of the blocks a model was shown: the words, and the versions they reach up to. */
export interface MemoryDelta {
  readonly text: string
  readonly versions: Seen
}

/** Why a turn of a trigger was queued. */
export interface TriggerCause {
  readonly trigger_id: string
  readonly block_id: string
  readonly from_version: number
  readonly to_version: number
  /** Turns that follow from one another by triggers, this one included. */
  readonly depth: number
}

export type TurnEvent =
  | {
      readonly type: 'TurnQueued'
      readonly payload: {
        readonly agent_id: string
        readonly input: readonly InputMessage[]
        readonly source: TurnSource
        readonly idempotency_key: string | null
        readonly budget: TurnBudget
        /** The turn ends at this time, queued or running: UTC ISO-8601. */
        readonly deadline: string | null
        readonly policy: BusyPolicy
        readonly options: TurnOptions
        /** Recognises an implicit retry: hash of principal, path and body. */
        readonly request_hash: string | null
        /** The job it was queued by, where it came from a queue. */
        readonly job_id?: string
        /** The schedule it comes from, and its time by that: UTC ISO-8601. */
        readonly schedule_id?: string
        readonly due_at?: string
        /** Who is told once the turn is over. */
        readonly reply_to?: { readonly queue: string }
        readonly metadata?: TurnMetadata
        readonly request_id?: string
        /** W3C Trace Context of the caller. */
        readonly traceparent?: string
        readonly trigger?: TriggerCause
      }
    }
  | {
      readonly type: 'TurnStarted'
      readonly payload: {
        readonly worker_id: string
        readonly epoch: number
        readonly attempt: number
      }
    }
  | {
      readonly type: 'ModelRequested'
      readonly payload: {
        readonly step: number
        /** The handle that is asked. */
        readonly model: string
        /** The name that stands for it, where the agent or the caller had one. */
        readonly asked_as?: string
        readonly seen: Seen
        /** The agent's version the prompt was compiled from; the same through the turn. */
        readonly agent_version: number
        readonly history: HistoryWindow
        /** What others have changed in the blocks shown, told behind everything sent before. */
        readonly delta?: MemoryDelta
        readonly context_hash: string
        readonly request_hash: string
      }
    }
  | {
      readonly type: 'ModelResponded'
      readonly payload: {
        readonly step: number
        readonly response: ModelReply
        readonly usage: Usage & { readonly estimated?: boolean }
        readonly latency_ms: number
        readonly provider_response_id: string | null
        readonly simulated?: true
        readonly repaired?: true
      }
    }
  | {
      readonly type: 'ModelRetryScheduled'
      readonly payload: {
        readonly step: number
        readonly class: string
        readonly attempt: number
        readonly not_before: string
      }
    }
  | {
      readonly type: 'ToolCalled'
      readonly payload: {
        readonly step: number
        readonly index: number
        readonly tool_call_id: string
        readonly name: string
        readonly args: string
      }
    }
  | { readonly type: 'ToolReturned'; readonly payload: ToolReturn }
  | ApprovalEvent
  | CompactionEvent
  | {
      readonly type: 'TurnParked'
      /** `until` null: until somebody answers. */
      readonly payload: { readonly reason: ParkReason; readonly until: string | null }
    }
  | {
      readonly type: 'TurnResumed'
      readonly payload: {
        readonly worker_id: string
        readonly epoch: number
        readonly from_step: number
      }
    }
  | {
      readonly type: 'TurnCancelRequested'
      readonly payload: {
        readonly by: Actor
        /** The run whose message took this one's place. */
        readonly interrupted_by?: string
      }
    }
  | { readonly type: 'TurnRequeued'; readonly payload: { readonly by: Actor } }
  | {
      readonly type: 'TurnCompleted'
      readonly payload: { readonly stop_reason: StopReason; readonly usage: Usage }
    }
  | {
      readonly type: 'TurnFailed'
      readonly payload: {
        readonly class: string
        readonly retriable: boolean
        readonly detail: string
        readonly stop_reason: StopReason
        readonly usage: Usage
        readonly facts: Readonly<Record<string, unknown>>
      }
    }
  | {
      readonly type: 'TurnCancelled'
      readonly payload: { readonly by: Actor; readonly at_step: number; readonly usage: Usage }
    }
  | {
      readonly type: 'TurnDeadLettered'
      readonly payload: {
        readonly attempts: number
        readonly last_error: string
        readonly usage: Usage
      }
    }

export interface ToolReturn {
  readonly step: number
  readonly index: number
  readonly tool_call_id: string
  readonly status: 'success' | 'error'
  /** What the model reads. */
  readonly result: string
  /** The code of a refusal. */
  readonly code?: string
  /** The arguments that were used, where somebody changed the model's. */
  readonly args?: string
  /** The block and version the call was judged at. */
  readonly block?: JudgedBlock
  /** The same, where one call changed several blocks in its commit. */
  readonly blocks?: readonly JudgedBlock[]
  /** Versions the model now knows in full, because this return told it everything up to them. */
  readonly seen?: Seen
}

export interface JudgedBlock {
  readonly block_id: string
  readonly version: number
  readonly changed: boolean
}
