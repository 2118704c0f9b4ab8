import {
  type BlockCommand,
  type BlockDecision,
  type BlockEvent,
  decided,
  type RevertReceipt,
} from './block-events.js'
import { changesSince, LOOK_BACK_MAX, type TextChange, textAt } from './block-memory.js'
import { limitExceeded, notRevertible, revertConflict } from './block-refusals.js'
import { isWholeText } from './block-rethink.js'
import { type BlockState, reference } from './block-state.js'
import { accept, type Decided, reject } from './event.js'
import { mergeLines } from './merge.js'
import { carry, type Span } from './place.js'
import * as text from './text.js'
import { wordDifference } from './word-diff.js'

/** A stretch of the text as it is now, and what stood there before the edit. */
interface Reversal {
  readonly span: Span
  readonly before: string
}

/** Takes back one edit and keeps the later ones. An undo is an edit, and can itself be undone. */
export function revert(
  state: BlockState,
  { version }: Extract<BlockCommand, { type: 'RevertEdit' }>,
): Decided<BlockDecision> {
  if (state.version - version >= LOOK_BACK_MAX) {
    return reject(notRevertible(state, version, `lies more than ${LOOK_BACK_MAX} versions back`))
  }
  const [change, ...later] = changesSince(state.memory, version - 1)
  if (change?.version !== version) {
    return reject(
      notRevertible(state, version, 'did not change the text of the block that was there'),
    )
  }
  const effect = isWholeText(change.type)
    ? merged(state, change)
    : carriedBack(state, change, later)
  if (!effect.ok) return effect
  const length = effect.value.reduce(
    (sum, splice) => sum + text.length(splice.insert) - splice.delete,
    state.length,
  )
  if (length > state.settings.limit) {
    return reject(limitExceeded(state, length, state.settings.limit))
  }
  if (effect.value.length === 0) return accept(decided([], null))
  const receipt: RevertReceipt = {
    reverted: reference(change),
    ...(isWholeText(change.type) ? { merged: true as const } : {}),
  }
  const event: BlockEvent = {
    type: 'EditReverted',
    payload: { intent: { version }, effect: effect.value, receipt, length },
  }
  return accept(decided([event], receipt))
}

/** What the edit put in is followed to where it stands now, and gives way to what it had taken out. */
function carriedBack(
  state: BlockState,
  change: TextChange,
  later: readonly TextChange[],
): Decided<text.Splice[]> {
  const touching = new Set<TextChange>()
  const effect: text.Splice[] = []
  let growth = 0
  for (const { span, before } of reversalsOf(textAt(state.memory, change.version - 1), change)) {
    let at = span
    for (const next of later) {
      const { touched, ...carried } = carry(at, next.effect)
      at = carried
      if (touched) touching.add(next)
    }
    const size = at.end - at.start
    effect.push({ offset: at.start + growth, delete: size, insert: before })
    growth += text.length(before) - size
  }
  const touchedBy = later.filter((next) => touching.has(next))
  return touchedBy.length > 0
    ? reject(revertConflict(state, change, touchedBy, []))
    : accept(effect)
}

/** What stands where after an edit, and what it had taken out there: in order, none overlapping another. */
function reversalsOf(before: string, { effect }: TextChange): Reversal[] {
  let value = before
  let found: Reversal[] = []
  for (const splice of effect) {
    found = withSplice(found, value, splice)
    value = text.apply(value, [splice])
  }
  return found
}

/** A splice that reaches into what earlier ones of its edit put in becomes one with them. */
function withSplice(found: readonly Reversal[], value: string, splice: text.Splice): Reversal[] {
  const from = splice.offset
  const to = from + splice.delete
  const growth = text.length(splice.insert) - splice.delete
  const left = found.filter(({ span }) => span.end <= from)
  const right = found.filter(({ span }) => span.end > from && span.start >= to)
  const hit = found.slice(left.length, found.length - right.length)
  const start = Math.min(from, hit[0]?.span.start ?? from)
  const end = Math.max(to, hit.at(-1)?.span.end ?? to)
  let at = start
  let before = ''
  for (const reversal of hit) {
    before += text.slice(value, at, reversal.span.start) + reversal.before
    at = reversal.span.end
  }
  before += text.slice(value, at, end)
  const shifted = right.map(({ span, before }) => ({
    span: { start: span.start + growth, end: span.end + growth },
    before,
  }))
  return [...left, { span: { start, end: end + growth }, before }, ...shifted]
}

/** Every edit overlaps with one of the whole text: the lines it changed are changed back, where nobody did since. */
function merged(state: BlockState, change: TextChange): Decided<text.Splice[]> {
  const base = textAt(state.memory, change.version)
  const before = textAt(state.memory, change.version - 1)
  const result = mergeLines(base, before, state.value)
  if (result.ok) return accept(wordDifference(state.value, result.text))
  const since = changesSince(state.memory, change.version)
  return reject(revertConflict(state, change, since, result.conflicts))
}
