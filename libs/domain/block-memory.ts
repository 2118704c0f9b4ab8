import type { ChangeReference } from './block-events.js'
import { apply, type Splice } from './text.js'

/** A change of a block's text, with what it did to it. */
export interface TextChange extends ChangeReference {
  /** UTC ISO-8601 with milliseconds and Z. */
  readonly at: string
  readonly runId: string | null
  readonly effect: readonly Splice[]
}

/**
 * What a block remembers of its newest changes: the text as it was, and every change since. What a
 * stale writer saw, and what happened to it since, is told from it. How far back it reaches is no part of
 * a block's state: it may always be made to reach further back from the log.
 */
export interface BlockMemory {
  readonly start: { readonly version: number; readonly value: string }
  readonly newest: Remembered | null
  readonly count: number
  /** The memory up to `start`; its own `earlier` is gone, so that memory is bounded. */
  readonly earlier: BlockMemory | null
}

/** The newest first, so that to remember one more copies nothing. */
interface Remembered {
  readonly change: TextChange
  readonly before: Remembered | null
}

/** A block reaches back this many changes at least, once there were as many. */
export const REMEMBERED_MIN = 64
/** Versions a stale writer may lie behind and still be told everything: further back it is not looked. */
export const LOOK_BACK_MAX = 10_000

/** Knows the text of a version, and nothing that led to it. */
export function startMemory(version: number, value: string): BlockMemory {
  return { start: { version, value }, newest: null, count: 0, earlier: null }
}

/** @param previous the block as it was before the change. */
export function remember(
  memory: BlockMemory,
  previous: { readonly version: number; readonly value: string },
  change: TextChange,
): BlockMemory {
  if (memory.count < REMEMBERED_MIN) {
    const { start, newest: before, count, earlier } = memory
    return { start, newest: { change, before }, count: count + 1, earlier }
  }
  return {
    start: { version: previous.version, value: previous.value },
    newest: { change, before: null },
    count: 1,
    earlier: { ...memory, earlier: null },
  }
}

/** True when every change after the version is known, and the text at it. */
export function reaches(memory: BlockMemory, version: number): boolean {
  return version >= (memory.earlier ?? memory).start.version
}

/** Changes after a version, oldest first: all of them where the memory reaches that far. */
export function changesSince(memory: BlockMemory, version: number): TextChange[] {
  const found: TextChange[] = []
  for (let part: BlockMemory | null = memory; part; part = part.earlier) {
    for (let at = part.newest; at && at.change.version > version; at = at.before) {
      found.push(at.change)
    }
    if (part.start.version <= version) break
  }
  return found.reverse()
}

/** The newest change that is known. */
export function newestChange(memory: BlockMemory): TextChange | undefined {
  return (memory.newest ?? memory.earlier?.newest)?.change
}

/** The text as it was at a version the memory reaches. */
export function textAt(memory: BlockMemory, version: number): string {
  const part = version < memory.start.version && memory.earlier ? memory.earlier : memory
  const changes = changesSince(part, part.start.version)
  const upTo = changes.filter((change) => change.version <= version)
  return upTo.reduce((text, { effect }) => apply(text, effect), part.start.value)
}

/** A stretch of a block's past, as the log has it: the text at `version`, and every change up to `upTo`. */
export interface BlockPast {
  readonly version: number
  readonly value: string
  readonly changes: readonly TextChange[]
  readonly upTo: number
}

/** The memory with a past in front of it, where the two meet. */
export function lookFurtherBack(memory: BlockMemory, past: BlockPast): BlockMemory {
  const oldest = (memory.earlier ?? memory).start.version
  if (past.version >= oldest || past.upTo < oldest) return memory
  const older = past.changes.filter((change) => change.version <= oldest)
  const all = [...older, ...changesSince(memory, oldest)]
  const newest = all.reduce<Remembered | null>((before, change) => ({ change, before }), null)
  const start = { version: past.version, value: past.value }
  return { start, newest, count: all.length, earlier: null }
}
