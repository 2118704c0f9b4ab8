import type { Usage } from './turn-events.js'

/** Why older messages give way to a summary: they no longer fit the window, or the provider says so. */
export type CompactionReason = 'window' | 'overflow'

export type CompactionEvent =
  | {
      readonly type: 'CompactionRequested'
      readonly payload: {
        /** The step whose request is to go out shorter. */
        readonly step: number
        readonly reason: CompactionReason
        /** The handle that is asked. */
        readonly model: string
        /** The newest run whose messages the summary stands for; those of later runs stay as they are. */
        readonly through_run_id: string
        /** The earlier summary that is folded in. */
        readonly summary_message_id?: string
        /** Estimates: of the whole prompt, and of what stays in it. */
        readonly tokens_before: number
        readonly tokens_kept: number
      }
    }
  | {
      readonly type: 'ContextCompacted'
      readonly payload: {
        readonly step: number
        readonly summary: string
        /** An estimate, like those it is compared with. */
        readonly tokens_after: number
        readonly usage: Usage & { readonly estimated?: boolean }
        readonly latency_ms: number
        readonly provider_response_id: string | null
        readonly simulated?: true
        readonly repaired?: true
      }
    }
