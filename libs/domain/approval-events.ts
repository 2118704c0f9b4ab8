import type { Actor } from './actor.js'

/** What is said to a call that waits for it. */
export type CallAnswer =
  /** `args`: the text of the arguments to be used instead of the model's. */
  | { readonly kind: 'given'; readonly args: string | null }
  | { readonly kind: 'denied'; readonly reason: string | null }
  /** The caller has run the tool itself. */
  | {
      readonly kind: 'returned'
      readonly status: 'success' | 'error'
      readonly result: string
    }

/** Calls that wait, and what was said to them; no call of their step is made before all are answered. */
export type ApprovalEvent =
  | {
      readonly type: 'ApprovalRequested'
      readonly payload: { readonly step: number; readonly tool_call_ids: readonly string[] }
    }
  | AnswerEvent
export type AnswerEvent =
  | {
      readonly type: 'ApprovalGiven'
      readonly payload: {
        readonly step: number
        readonly tool_call_ids: readonly string[]
        readonly by: Actor
        /** Arguments that were changed, by call. */
        readonly args?: Readonly<Record<string, string>>
      }
    }
  | {
      readonly type: 'ApprovalDenied'
      readonly payload: {
        readonly step: number
        readonly tool_call_ids: readonly string[]
        readonly by: Actor
        readonly reason: string | null
      }
    }
  | {
      readonly type: 'ToolAnswered'
      readonly payload: {
        readonly step: number
        readonly tool_call_id: string
        readonly status: 'success' | 'error'
        readonly result: string
        readonly by: Actor
      }
    }
