import {
  type BlockCommand,
  type BlockDecision,
  type BlockEvent,
  decided,
  type ReplaceReceipt,
  type Writer,
} from './block-events.js'
import { changesSince, type TextChange, textAt } from './block-memory.js'
import { ambiguous, limitExceeded, noMatch, staleBase } from './block-refusals.js'
import { type BlockState, forgotten, reference, unseen } from './block-state.js'
import { accept, type Decided, reject } from './event.js'
import { carry, type Span } from './place.js'
import * as text from './text.js'

type Replacement = Extract<BlockCommand, { type: 'ReplaceText' }>

/** A place where the writer saw the text, carried forward to now, and the last change that touched it. */
interface SeenPlace {
  readonly span: Span
  readonly touchedBy: TextChange | null
}

/**
 * Replaces a text that must stand exactly once, as the text is now. What the writer had seen makes the
 * answer more helpful, never less safe: its place is followed through what others did since.
 */
export function replace(
  state: BlockState,
  command: Replacement,
  writer: Writer,
): Decided<BlockDecision> {
  const { old, new: replacement, all } = command
  const offsets = text.occurrences(state.value, old)
  if (all) {
    if (offsets.length === 0) return reject(noMatch(state, command, writer))
    const effect = text.replaceAll(state.value, old, replacement)
    return apply(state, command, effect, receiptOf(state, writer, 'exact', effect.length, offsets))
  }
  const seen = placesSeen(state, old, writer)
  const untouched = (seen ?? []).filter(({ touchedBy }) => touchedBy === null)
  const [first] = offsets
  if (first === undefined) {
    const done = seen && alreadyApplied(state, command, seen)
    if (done) return accept(decided([], { already_applied_by: reference(done) }))
    return reject(noMatch(state, command, writer))
  }
  if (offsets.length > 1) {
    const [only] = untouched
    if (!only || seen?.length !== 1) return reject(ambiguous(state, old, offsets))
    return at(state, command, writer, only.span.start, 'tracked')
  }
  if (!seen || untouched.some(({ span }) => span.start === first)) {
    return at(state, command, writer, first, 'exact')
  }
  if (state.settings.policies.replace === 'strict') return reject(staleBase(state, writer))
  return at(state, command, writer, first, 'relocated', seen.at(-1)?.touchedBy)
}

function at(
  state: BlockState,
  command: Replacement,
  writer: Writer,
  offset: number,
  matched: 'exact' | 'tracked' | 'relocated',
  lostAt?: TextChange | null,
): Decided<BlockDecision> {
  const effect = [{ offset, delete: text.length(command.old), insert: command.new }]
  const receipt = receiptOf(state, writer, matched, 1, [offset])
  const whole = lostAt ? { ...receipt, lost_at: reference(lostAt) } : receipt
  return apply(state, command, effect, whole)
}

function receiptOf(
  state: BlockState,
  writer: Writer,
  matched: ReplaceReceipt['matched'],
  places: number,
  offsets: readonly number[],
): ReplaceReceipt {
  return {
    matched,
    places,
    line: text.lineAt(state.value, offsets[0] as number),
    unseen: unseen(state, writer).map((change) => change.version),
  }
}

function apply(
  state: BlockState,
  { old, new: replacement, all }: Replacement,
  effect: readonly text.Splice[],
  receipt: ReplaceReceipt,
): Decided<BlockDecision> {
  const length = state.length + effect.length * (text.length(replacement) - text.length(old))
  if (length > state.settings.limit) {
    return reject(limitExceeded(state, length, state.settings.limit))
  }
  if (old === replacement) return accept(decided([], null))
  const intent = all ? { old, new: replacement, all } : { old, new: replacement }
  const event: BlockEvent = { type: 'TextReplaced', payload: { intent, effect, receipt, length } }
  return accept(decided([event], receipt))
}

/** Null where nothing changed since, or nobody knows what the writer saw: then the text alone counts. */
function placesSeen(state: BlockState, old: string, writer: Writer): SeenPlace[] | null {
  const base = writer.baseVersion
  if (base === null || forgotten(state, writer)) return null
  const changes = changesSince(state.memory, base)
  if (changes.length === 0) return null
  const width = text.length(old)
  return text.occurrences(textAt(state.memory, base), old).map((start) => {
    let span: Span = { start, end: start + width }
    let touchedBy: TextChange | null = null
    for (const change of changes) {
      const { touched, ...carried } = carry(span, change.effect)
      span = carried
      if (touched) touchedBy = change
    }
    return { span, touchedBy }
  })
}

/** Whoever put exactly the new text where the writer saw the old one, if it still stands there. */
function alreadyApplied(
  state: BlockState,
  command: Replacement,
  seen: readonly SeenPlace[],
): TextChange | null {
  for (const { span, touchedBy } of seen) {
    if (!touchedBy) continue
    if (text.slice(state.value, span.start, span.end) === command.new) return touchedBy
  }
  return null
}
