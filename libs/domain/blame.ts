import type { BlockEvent } from './block-events.js'
import { LOOK_BACK_MAX } from './block-memory.js'
import { isWholeText } from './block-rethink.js'
import {
  givenBack,
  joined,
  type Owned,
  type Owners,
  owned,
  pointsOf,
  spliced,
  stretch,
  stretches,
} from './span-tree.js'
import { length, type Splice } from './text.js'

/** A stretch of a text and the event that wrote it. Code points; `end` is exclusive. */
export interface BlameSpan {
  readonly start: number
  readonly end: number
  readonly version: number
  /** The undo or the restore that put it back; null for what was never gone. */
  readonly restoredBy: number | null
  /** The newest rethink or restore that left it standing, word for word; null when none came since. */
  readonly touchedBy: number | null
}

/** Who wrote what of a block's text, at its version and at those before it down to `reach`. */
export interface Blame {
  readonly version: number
  readonly reach: number
  /** By version; the newest is the last. */
  readonly past: readonly Owning[]
}

/** The owners of the text as one edit left it. */
interface Owning {
  readonly version: number
  readonly owners: Owners
  /** The newest edit of the whole text up to here; 0 for none. */
  readonly whole: number
  readonly shape: readonly Shape[]
}

/** A splice without its text. */
interface Shape {
  readonly offset: number
  readonly delete: number
  readonly points: number
}

/** An event that made or changed the text. */
export interface BlamedEdit {
  readonly version: number
  readonly type: string
  readonly effect: readonly Splice[]
  readonly source: Source | null
}

/**
 * Where the words stood that an edit brings back. `removed`: what the edit of that version took out.
 * `text`: the text of that version, and what turns it into the text afterwards.
 */
export type Source =
  | { readonly from: 'removed'; readonly version: number }
  | { readonly from: 'text'; readonly version: number; readonly alignment: readonly Splice[] }

export const NO_BLAME: Blame = { version: 0, reach: 0, past: [] }

/**
 * Where an event's words come from, as far as it tells; null for words of its own. `aligned`: false where
 * the text it went back to was merged with other changes, so that the texts must be compared.
 */
export function broughtBack(
  event: BlockEvent,
): { readonly source: Source; readonly aligned: boolean } | null {
  if (event.type === 'BlockRestored') {
    const { intent, receipt } = event.payload
    const source = { from: 'text', version: intent.version, alignment: [] } as const
    return { source, aligned: !receipt?.merged }
  }
  if (event.type !== 'EditReverted') return null
  const { version } = event.payload.intent
  if (!event.payload.receipt?.merged) return { source: { from: 'removed', version }, aligned: true }
  return { source: { from: 'text', version: version - 1, alignment: [] }, aligned: false }
}

/**
 * The blame after further edits. What a splice inserts belongs to its event, what stays keeps its owner,
 * and what is brought back belongs to its first owner again, where that lies less than `LOOK_BACK_MAX`
 * versions back.
 *
 * @param version how far the edits were read: those that change no text are not among them.
 * @returns null when an edit goes back further than `before` reaches: fold from the beginning.
 */
export function blameAll(
  before: Blame,
  edits: readonly BlamedEdit[],
  version: number,
): Blame | null {
  const past = [...before.past]
  for (const edit of edits) {
    const { source } = edit
    const told = source !== null && edit.version - source.version < LOOK_BACK_MAX ? source : null
    if (told && told.version - (told.from === 'removed' ? 1 : 0) < before.reach) return null
    past.push(ownedAfter(past, edit, told))
  }
  return reaching({ version, reach: before.reach, past }, version - LOOK_BACK_MAX)
}

/** The same, able to tell only of the versions from `reach` on. */
export function reaching(blame: Blame, reach: number): Blame {
  if (reach <= blame.reach) return blame
  return { ...blame, reach, past: blame.past.slice(Math.max(0, indexAt(blame.past, reach))) }
}

/** The spans at a version, which concatenate to its text; null when the blame does not reach it. */
export function spansAt(blame: Blame, version: number): BlameSpan[] | null {
  if (version < blame.reach) return null
  const owning = at(blame.past, version)
  return owning ? spansOf(owning) : []
}

/** Neighbours that say the same become one. */
function spansOf({ owners, whole }: Owning): BlameSpan[] {
  const spans: BlameSpan[] = []
  let start = 0
  for (const stretch of stretches(owners)) {
    const told = toldOf(stretch, whole)
    const end = start + stretch.points
    const last = spans.at(-1)
    if (
      last?.version === told.version &&
      last.restoredBy === told.restoredBy &&
      last.touchedBy === told.touchedBy
    ) {
      spans[spans.length - 1] = { ...last, end }
    } else spans.push({ start, end, ...told })
    start = end
  }
  return spans
}

function toldOf(
  { version, since }: Owned,
  whole: number,
): Pick<BlameSpan, 'version' | 'restoredBy' | 'touchedBy'> {
  return {
    version,
    restoredBy: since === version ? null : since,
    touchedBy: whole > since ? whole : null,
  }
}

function ownedAfter(past: readonly Owning[], edit: BlamedEdit, source: Source | null): Owning {
  const { version, effect, type } = edit
  const before = past.at(-1)
  const ownersOf = source ? sourceOwners(past, edit, source) : null
  let owners = before?.owners ?? null
  const shape = effect.map(({ offset, delete: count, insert }, i): Shape => {
    const points = length(insert)
    const added = ownersOf?.(i, offset, points) ?? owned(points, version)
    owners = spliced(owners, offset, count, added)
    return { offset, delete: count, points }
  })
  const whole = isWholeText(type) ? version : (before?.whole ?? 0)
  return { version, owners, whole, shape }
}

/** For each splice the owners of what it inserts; null where they cannot be told. */
function sourceOwners(
  past: readonly Owning[],
  { version, effect }: BlamedEdit,
  source: Source,
): (i: number, offset: number, points: number) => Owners {
  if (source.from === 'removed') {
    const pieces = removedBy(past, source.version)
    if (pieces.length !== effect.length) return () => null
    return (i, _, points) => {
      const piece = pieces[i]?.owners ?? null
      return pointsOf(piece) === points ? givenBack(piece, version) : null
    }
  }
  if (!isForward(effect)) return () => null
  const then = at(past, source.version)?.owners ?? null
  const aligned = source.alignment.reduce((owners, { offset, delete: count, insert }) => {
    return spliced(owners, offset, count, owned(length(insert), version))
  }, then)
  return (_, offset, points) => {
    const found = givenBack(stretch(aligned, offset, offset + points), version)
    return joined(found, owned(points - pointsOf(found), version))
  }
}

/** What the edit of a version took out, from left to right: what an undo of it puts back. */
function removedBy(past: readonly Owning[], version: number): readonly Removed[] {
  const undone = at(past, version)
  if (undone?.version !== version) return []
  let owners = at(past, version - 1)?.owners ?? null
  let removed: Removed[] = []
  for (const { offset, delete: count, points } of undone.shape) {
    const gone = stretch(owners, offset, offset + count)
    const one = { start: offset, end: offset + points, owners: gone }
    if ((removed.at(-1)?.end ?? 0) <= offset) removed.push(one)
    else removed = withRemoved(removed, owners, one)
    owners = spliced(owners, offset, count, owned(points, version))
  }
  return removed
}

/** Where an edit left something else, or nothing, and who owned what had stood there. */
interface Removed {
  readonly start: number
  readonly end: number
  readonly owners: Owners
}

/**
 * As an undo sees it: a splice that reaches into what earlier ones of its edit put in becomes one with them.
 *
 * @param before the owners before the splice
 */
function withRemoved(found: readonly Removed[], before: Owners, removed: Removed): Removed[] {
  const { start: from, end: until } = removed
  const to = from + pointsOf(removed.owners)
  const growth = until - to
  const left = found.filter(({ end }) => end <= from)
  const right = found.filter(({ start, end }) => end > from && start >= to)
  const hit = found.slice(left.length, found.length - right.length)
  const start = Math.min(from, hit[0]?.start ?? from)
  const end = Math.max(to, hit.at(-1)?.end ?? to)
  let at = start
  let owners: Owners = null
  for (const earlier of hit) {
    owners = joined(joined(owners, stretch(before, at, earlier.start)), earlier.owners)
    at = earlier.end
  }
  owners = joined(owners, stretch(before, at, end))
  const shifted = right.map((later) => {
    return { ...later, start: later.start + growth, end: later.end + growth }
  })
  return [...left, { start, end: end + growth, owners }, ...shifted]
}

/** No splice lies before the end of the one before it: offsets are then places in the final text. */
function isForward(effect: readonly Splice[]): boolean {
  return effect.every((splice, i) => {
    const before = effect[i - 1]
    return !before || splice.offset >= before.offset + length(before.insert)
  })
}

/** The newest edit up to a version. */
function at(past: readonly Owning[], version: number): Owning | undefined {
  return past[indexAt(past, version)]
}

function indexAt(past: readonly Owning[], version: number): number {
  let low = 0
  let high = past.length
  while (low < high) {
    const mid = (low + high) >> 1
    if ((past[mid] as Owning).version <= version) low = mid + 1
    else high = mid
  }
  return low - 1
}
