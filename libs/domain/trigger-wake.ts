import type { Actor } from './actor.js'

/** How far a trigger has come: what the turn it queues next will be told, and when. Times in ms since 1970. */
export interface Wake {
  /** The agent is told what became of the block between these two versions. */
  readonly fromVersion: number
  readonly toVersion: number
  /** Of the turn to be queued. */
  readonly depth: number
  /** Of the first change that it is told of. */
  readonly firstAt: number
  /** Null: nothing has changed since it was woken. */
  readonly dueAt: number | null
  readonly refused: RefusedWake | null
}

/** The newest change that woke nobody, since too many triggers stood behind it. */
export interface RefusedWake {
  readonly version: number
  readonly runId: string | null
  readonly count: number
}

/** Event types that change the text of a block. */
export const WAKING_TYPES = [
  'TextInserted',
  'TextReplaced',
  'BlockRethought',
  'EditReverted',
  'BlockRestored',
] as const

/**
 * Turns that follow from one another by triggers, at most. A turn that somebody asks for has depth 0,
 * and one that a change of depth n wakes has n + 1: agents that wake one another come to rest.
 */
export const TRIGGER_DEPTH_MAX = 5
/** A block that is never quiet wakes after so many times the time it was to be quiet for. */
const WAITS_MAX = 10

/** A trigger, as far as waking goes. */
export interface Watch {
  readonly agentId: string
  /** The block's version when it was set. */
  readonly sinceVersion: number
  readonly debounceMs: number
}

/** A change of a block's text. `depth` is that of the turn it was made in: 0 outside of any. */
export interface WakingEdit {
  readonly version: number
  readonly actor: Actor
  readonly runId: string | null
  readonly depth: number
}

/**
 * What a change does to a trigger. The same change again does nothing, whatever came between.
 *
 * @param depthMax infinite only where a test shows what the limit is for.
 * @returns null when it changes nothing: the agent's own edits never do.
 */
export function wokenBy(
  before: Wake | null,
  watch: Watch,
  edit: WakingEdit,
  now: number,
  depthMax: number = TRIGGER_DEPTH_MAX,
): Wake | null {
  const { version, actor, runId, depth } = edit
  const known = Math.max(watch.sinceVersion, before?.toVersion ?? 0, before?.refused?.version ?? 0)
  if (version <= known) return null
  if (actor.kind === 'agent' && actor.id === watch.agentId) return null
  const wake = before ?? IDLE
  if (depth + 1 > depthMax) {
    return { ...wake, refused: { version, runId, count: (wake.refused?.count ?? 0) + 1 } }
  }
  const waits = wake.dueAt !== null
  const firstAt = waits ? wake.firstAt : now
  return {
    ...wake,
    fromVersion: waits ? wake.fromVersion : version - 1,
    toVersion: version,
    depth: waits ? Math.max(wake.depth, depth + 1) : depth + 1,
    firstAt,
    dueAt: Math.min(now + watch.debounceMs, firstAt + WAITS_MAX * watch.debounceMs),
  }
}

/** The agent has a turn that tells it everything up to a version: what came since waits on. */
export function settledBy(wake: Wake, toVersion: number): Wake {
  if (wake.toVersion <= toVersion) return { ...wake, dueAt: null }
  return { ...wake, fromVersion: Math.max(wake.fromVersion, toVersion) }
}

const IDLE: Wake = {
  fromVersion: 0,
  toVersion: 0,
  depth: 0,
  firstAt: 0,
  dueAt: null,
  refused: null,
}
