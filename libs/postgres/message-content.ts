import type { CallAnswer } from '#domain/approval-events.js'
import type { InputMessage } from '#domain/turn-events.js'

/** What a stored message holds. */
export type MessageContent = SpokenContent | AnswerContent | SummaryContent

/** What an agent's conversation is made of: input as sent, a model's reply, or a tool's return. */
export type SpokenContent =
  | { readonly content: InputMessage['content'] }
  | {
      readonly content: string | null
      readonly reasoning: string | null
      readonly tool_calls: readonly { tool_call_id: string; name: string; arguments: string }[]
      /** Ids of the calls that it asks somebody about. */
      readonly asks?: readonly string[]
    }
  | {
      readonly tool_call_id: string
      readonly name: string
      readonly status: 'success' | 'error'
      readonly result: string
    }

/** A summary of what was said before the run it was made in. */
export interface SummaryContent {
  readonly content: string
  /** The newest run it stands for. */
  readonly through_run_id: string
}

/** What was said to calls that waited for it. */
export interface AnswerContent {
  /** The message that asked. */
  readonly request_id: string
  readonly answers: readonly (CallAnswer & { readonly tool_call_id: string })[]
}
