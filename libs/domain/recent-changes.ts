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

/** How many changes a block remembers at least: as many as a receipt names. */
export const RECENT_CHANGES_MIN = 100
const LATER_MAX = 16

export const NO_CHANGES: RecentChanges = { earlier: [], later: [] }

export function remember({ earlier, later }: RecentChanges, change: TextChange): RecentChanges {
  if (later.length < LATER_MAX) return { earlier, later: [...later, change] }
  return { earlier: [...earlier, ...later].slice(-RECENT_CHANGES_MIN), later: [change] }
}

/** The same as one after another; only those that stay are made. */
export function rememberAll<E>(
  { earlier, later }: RecentChanges,
  edits: readonly E[],
  changeOf: (edit: E) => TextChange,
): RecentChanges {
  const count = later.length + edits.length
  const laterCount = count <= LATER_MAX ? count : ((count - 1) % LATER_MAX) + 1
  const newest = edits.slice(-RECENT_CHANGES_MIN - LATER_MAX).map(changeOf)
  const all = [...earlier, ...later, ...newest]
  const end = all.length - laterCount
  const start = count <= LATER_MAX ? 0 : Math.max(0, end - RECENT_CHANGES_MIN)
  return { earlier: all.slice(start, end), later: all.slice(end) }
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
