import { messageTokens, type PastMessage } from './context.js'

/** A stored message and the turn it was said in. */
export type MessageOfRun = PastMessage & { readonly run_id: string }

export interface CompactionPlan<M extends MessageOfRun> {
  /** The newest run whose messages are folded into the summary. */
  readonly throughRunId: string
  readonly folded: readonly M[]
  readonly kept: readonly M[]
}

/** Share of a window that a summary is asked to stay within. */
const SUMMARY_SHARE = 1 / 8
/** Share of a window that is full again after a compaction, so that the next one is far away. */
const FULL_SHARE = 1 / 2

/**
 * Which messages give way to a summary: the older turns, whole, so that no tool's return loses its call. The
 * newest turns that fit stay as they are, and the last one whenever the window can hold it.
 *
 * @param past oldest first; the messages of a run stand together
 * @param room tokens for the kept messages: `usual`, and `most` for a last turn that is longer
 * @returns null when nothing would give way
 */
export function planCompaction<M extends MessageOfRun>(
  past: readonly M[],
  room: { readonly usual: number; readonly most: number },
): CompactionPlan<M> | null {
  let from = past.length
  let used = 0
  while (from > 0) {
    const start = startOfTurn(past, from - 1)
    used += messageTokens(past.slice(start, from))
    const isLast = from === past.length
    if (used > (isLast ? Math.max(room.usual, room.most) : room.usual)) break
    from = start
  }
  const newest = past[from - 1]
  if (!newest) return null
  return { throughRunId: newest.run_id, folded: past.slice(0, from), kept: past.slice(from) }
}

function startOfTurn(past: readonly MessageOfRun[], at: number): number {
  let start = at
  while (start > 0 && past[start - 1]?.run_id === past[at]?.run_id) start--
  return start
}

/** Tokens that a summary of a window's conversation may have. */
export function summaryTokens(window: number): number {
  return Math.floor(window * SUMMARY_SHARE)
}

/**
 * Room for the messages that stay.
 *
 * @param fixed tokens of the prompt without history
 * @param share of the window that prompts may fill
 */
export function roomInWindow(window: number, fixed: number, share: number) {
  const besides = fixed + summaryTokens(window)
  return {
    usual: Math.floor(window * FULL_SHARE) - besides,
    most: Math.floor(window * share) - besides,
  }
}

/** The same where the provider counts more than we do: half of what was sent. */
export function roomAfterOverflow(past: readonly PastMessage[], usual: number) {
  const half = Math.floor(messageTokens(past) * FULL_SHARE)
  return { usual: Math.min(half, usual), most: 0 }
}
