import type { ChangeReference } from './block-events.js'

export interface TextChange extends ChangeReference {
  readonly at: string
  readonly runId: string | null
}

/**
 * The newest changes of a text, oldest first: those of `earlier`, then those of `later`. In two parts,
 * because every edit makes a new list and only the short part is copied for it.
 */
export interface RecentChanges {
  readonly earlier: readonly TextChange[]
  readonly later: readonly TextChange[]
}

/** How many changes a block remembers at least, for receipts and refusals. */
export const RECENT_CHANGES_MIN = 256
const LATER_MAX = 16

export const NO_CHANGES: RecentChanges = { earlier: [], later: [] }

export function remember({ earlier, later }: RecentChanges, change: TextChange): RecentChanges {
  if (later.length < LATER_MAX) return { earlier, later: [...later, change] }
  return { earlier: [...earlier, ...later].slice(-RECENT_CHANGES_MIN), later: [change] }
}

/** Changes after a version, oldest first. */
export function changesSince({ earlier, later }: RecentChanges, version: number): TextChange[] {
  const [first] = later
  const within = first && first.version <= version + 1 ? [] : earlier
  return [...within, ...later].filter((change) => change.version > version)
}

export function newestChange({ earlier, later }: RecentChanges): TextChange | undefined {
  return later.at(-1) ?? earlier.at(-1)
}

/** True when there were changes after the version that are no longer remembered. */
export function forgets({ earlier, later }: RecentChanges, version: number): boolean {
  const oldest = earlier[0] ?? later[0]
  const full = earlier.length >= RECENT_CHANGES_MIN
  return full && oldest !== undefined && oldest.version > version + 1
}
