import type { CompactionReason } from './compaction-events.js'
import type { TurnEvent, Usage } from './turn-events.js'

/** A summary that a turn asks for, or has. */
export interface CompactionState {
  readonly step: number
  readonly reason: CompactionReason
  readonly model: string
  readonly throughRunId: string
  readonly tokensKept: number
  readonly retries: number
  /** A failed call is not repeated before this time. */
  readonly notBefore: string | null
  /** Null: it is not there yet. */
  readonly summary: string | null
  readonly usage: Usage | null
  /** Whether its step's request has gone out with it. */
  readonly used: boolean
}

type Compactions = readonly CompactionState[]

/** What an event of a turn makes of its compactions. Checks no rule. */
export function evolveCompactions(before: Compactions, event: TurnEvent): Compactions {
  switch (event.type) {
    case 'CompactionRequested': {
      const { step, reason, model, through_run_id, tokens_kept } = event.payload
      const made = { step, reason, model, throughRunId: through_run_id, tokensKept: tokens_kept }
      const open = { retries: 0, notBefore: null, summary: null, usage: null, used: false }
      return [...before, { ...made, ...open }]
    }
    case 'ContextCompacted': {
      const { summary, usage } = event.payload
      return changedLast(before, (last) => ({ ...last, summary, usage }))
    }
    case 'ModelRetryScheduled': {
      if (!pendingCompaction({ compactions: before })) return before
      const notBefore = event.payload.not_before
      return changedLast(before, (last) => ({ ...last, retries: last.retries + 1, notBefore }))
    }
    case 'ModelRequested':
      return awaitsCompacted({ compactions: before })
        ? changedLast(before, (last) => ({ ...last, used: true }))
        : before
    default:
      return before
  }
}

function changedLast(
  before: Compactions,
  change: (last: CompactionState) => CompactionState,
): Compactions {
  return before.map((one, i) => (i === before.length - 1 ? change(one) : one))
}

/** The summary that is asked for and not there yet. */
export function pendingCompaction({
  compactions,
}: {
  readonly compactions: Compactions
}): CompactionState | null {
  const last = compactions.at(-1)
  return last && last.summary === null ? last : null
}

/** Whether the turn's next request is to be compiled anew, because of a compaction. */
export function awaitsCompacted({ compactions }: { readonly compactions: Compactions }): boolean {
  return compactions.at(-1)?.used === false
}

/** Whether a turn that is begun or resumed has a request to record; otherwise it waits for what it asked. */
export function awaitsRequest(turn: {
  readonly compactions: Compactions
  readonly steps: readonly unknown[]
}): boolean {
  return !pendingCompaction(turn) && (turn.steps.length === 0 || awaitsCompacted(turn))
}

/** Tokens that summaries have cost. */
export function compactionTokens(compactions: Compactions): number {
  return compactions.reduce((sum, { usage }) => sum + (usage?.total_tokens ?? 0), 0)
}
