import {
  type BlockCommand,
  type BlockDecision,
  type BlockEvent,
  type BlockPolicies,
  type ChangeReference,
  decided,
  type RethinkReceipt,
  type Writer,
} from './block-events.js'
import { changesSince, type TextChange, textAt } from './block-memory.js'
import { baseVersionRequired, limitExceeded, rethinkConflict, staleBase } from './block-refusals.js'
import { type BlockState, forgotten, reference, unseen } from './block-state.js'
import { accept, type Decided, reject } from './event.js'
import { mergeLines } from './merge.js'
import { carry, type Span, spanOf } from './place.js'
import * as text from './text.js'
import { wordDifference } from './word-diff.js'

const RECEIPT_CHANGES_MAX = 100

type Rethink = Extract<BlockCommand, { type: 'RethinkBlock' }>
type Restore = Extract<BlockCommand, { type: 'RestoreBlock' }>

/** A whole text as it will be, and what became of the changes its writer had not seen. */
interface WholeText {
  readonly text: string
  readonly overwrote: readonly TextChange[]
  readonly kept?: readonly TextChange[]
  readonly merged?: true
}

/** Overwrites, never in silence: what its writer had not seen is handled as the block's policy says, and named. */
export function rethink(
  state: BlockState,
  command: Rethink,
  writer: Writer,
  limit: number = state.settings.limit,
): Decided<BlockDecision> {
  return writeWhole(state, command.text, writer, limit, (payload, policy) => ({
    type: 'BlockRethought',
    payload: { ...payload, intent: { text: command.text, policy } },
  }))
}

/** Goes back to the text of a version, as a new one: history is never cut. */
export function restore(
  state: BlockState,
  command: Restore,
  writer: Writer,
): Decided<BlockDecision> {
  const { version } = command
  return writeWhole(state, command.text, writer, state.settings.limit, (payload, policy) => ({
    type: 'BlockRestored',
    payload: { ...payload, intent: { version, policy } },
  }))
}

type WholePayload = Pick<
  Extract<BlockEvent, { type: 'BlockRethought' }>['payload'],
  'effect' | 'receipt' | 'length'
>

function writeWhole(
  state: BlockState,
  to: string,
  writer: Writer,
  limit: number,
  eventOf: (payload: WholePayload, policy: BlockPolicies['rethink']) => BlockEvent,
): Decided<BlockDecision> {
  const policy = state.settings.policies.rethink
  const written = wholeText(state, to, writer)
  if (!written.ok) return written
  const { text: value, overwrote: lost, kept, merged } = written.value
  const length = text.length(value)
  if (length > limit) return reject(limitExceeded(state, length, limit))
  const effect = wordDifference(state.value, value)
  if (effect.length === 0) return accept(decided([], null))
  const overwrote = references(lost)
  const receipt: RethinkReceipt = {
    overwrote,
    ...(kept && kept.length > 0 ? { kept: references(kept) } : {}),
    ...(merged ? { merged } : {}),
    ...(lost.length > overwrote.length || forgotten(state, writer)
      ? { truncated: true as const }
      : {}),
    replaced_version: state.version,
  }
  return accept(decided([eventOf({ effect, receipt, length }, policy)], receipt))
}

function references(changes: readonly TextChange[]): ChangeReference[] {
  return changes.slice(-RECEIPT_CHANGES_MAX).map(reference)
}

/** What the policy makes of a text whose writer had not seen everything. */
function wholeText(state: BlockState, to: string, writer: Writer): Decided<WholeText> {
  const policy = state.settings.policies.rethink
  const missed = unseen(state, writer)
  if (policy === 'overwrite') return accept({ text: to, overwrote: missed })
  if (writer.baseVersion === null) return reject(baseVersionRequired(state, policy))
  if (forgotten(state, writer)) return reject(staleBase(state, writer))
  if (missed.length === 0) return accept({ text: to, overwrote: [] })
  switch (policy) {
    case 'guard':
      return reject(staleBase(state, writer))
    case 'preserve':
      if (missed.some(({ type }) => isWholeText(type))) return reject(staleBase(state, writer))
      return preserve(state, to, writer.baseVersion, missed)
    case 'merge':
      return merge(state, to, writer.baseVersion)
  }
}

/** Nobody overwrites a line it has not seen: unseen inserts go to the end of the new text, in order. */
function preserve(
  state: BlockState,
  to: string,
  baseVersion: number,
  missed: readonly TextChange[],
): Decided<WholeText> {
  const overwrote = new Set(missed)
  const kept: TextChange[] = []
  const pieces: string[] = []
  let before = textAt(state.memory, baseVersion)
  for (const change of changesSince(state.memory, baseVersion)) {
    const piece = overwrote.has(change) ? standing(state, change, before) : ''
    before = text.apply(before, change.effect)
    if (piece === '') continue
    overwrote.delete(change)
    kept.push(change)
    pieces.push(piece)
  }
  const value = to === '' ? pieces.join('\n') : [to, ...pieces].join('\n')
  return accept({ text: value, overwrote: [...overwrote], kept })
}

/** What still stands of an inserted text, without the line feed that made room for it. */
function standing(state: BlockState, change: TextChange, before: string): string {
  const [splice] = change.effect
  if (!splice || change.type !== 'TextInserted') return ''
  const later = changesSince(state.memory, change.version)
  const added = withoutRoom(spanOf(splice), splice, before)
  const { start, end } = later.reduce<Span>((at, { effect }) => carry(at, effect), added)
  return text.slice(state.value, start, end)
}

/** An insert puts a feed before its text, before the first line one behind it, and none into an empty block. */
function withoutRoom({ start, end }: Span, { insert }: text.Splice, before: string): Span {
  if (before === '') return { start, end }
  const below = start > 0 || (before.startsWith('\n') && insert.startsWith('\n'))
  return below ? { start: start + 1, end } : { start, end: end - 1 }
}

function merge(state: BlockState, to: string, baseVersion: number): Decided<WholeText> {
  const merged = mergeLines(textAt(state.memory, baseVersion), to, state.value)
  if (merged.ok) return accept({ text: merged.text, overwrote: [], merged: true })
  return reject<WholeText>(rethinkConflict(state, baseVersion, merged.conflicts))
}

/** Such an event replaced the text as a whole: no edit before it can be told apart from it. */
export function isWholeText(type: string): boolean {
  return type === 'BlockRethought' || type === 'BlockRestored'
}
