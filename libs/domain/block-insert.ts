import {
  type BlockCommand,
  type BlockDecision,
  type BlockEvent,
  decided,
  type InsertReceipt,
  type Place,
  type Writer,
} from './block-events.js'
import { changesSince, type TextChange, textAt } from './block-memory.js'
import { anchorAmbiguous, anchorLost, limitExceeded, lineOutOfRange } from './block-refusals.js'
import { isWholeText } from './block-rethink.js'
import { type BlockState, forgotten, reference } from './block-state.js'
import { accept, type Decided, reject } from './event.js'
import { carryLineStart } from './place.js'
import * as text from './text.js'

type Insertion = Extract<BlockCommand, { type: 'InsertText' }>

/** Where a text goes: after this line of the text as it is now (0: before the first), and what is said of it. */
interface Spot {
  readonly line: number
  readonly told: Pick<InsertReceipt, 'placed' | 'reason' | 'lost_at' | 'from_line'>
}

/**
 * Adds a text. Never refused because of another insert, but for the limit: a line number means the line its
 * writer saw, wherever it stands now, and a line that is gone gives its place to the end.
 */
export function insert(
  state: BlockState,
  command: Insertion,
  writer: Writer,
): Decided<BlockDecision> {
  const { text: added, place, unique } = command
  const spot = spotOf(state, place, writer)
  if (!spot.ok) return spot
  if (unique) {
    const there = text.lines(state.value).indexOf(added)
    if (there >= 0 && state.length > 0) return accept(decided([], { existing_line: there + 1 }))
  }
  const { line, told } = spot.value
  const splice = text.insertAfterLine(state, line, added)
  const length = state.length + text.length(splice.insert)
  if (length > state.settings.limit) {
    return reject(limitExceeded(state, length, state.settings.limit))
  }
  const receipt: InsertReceipt = {
    ...told,
    line: state.length === 0 ? 1 : line + 1,
    lines: text.lines(added).length,
  }
  const intent = unique
    ? { text: added, place, unique_line: true as const }
    : { text: added, place }
  const event: BlockEvent = {
    type: 'TextInserted',
    payload: { intent, effect: [splice], receipt, length },
  }
  return accept(decided([event], receipt))
}

function spotOf(state: BlockState, place: Place, writer: Writer): Decided<Spot> {
  switch (place.at) {
    case 'end':
      return accept({ line: state.feeds + 1, told: { placed: 'end' } })
    case 'line':
      return atLine(state, place.line, writer)
    case 'after':
      return afterAnchor(state, place.anchor, writer)
  }
}

/** Without a base version the number is taken as it is, on the text as it is now. */
function atLine(state: BlockState, line: number, writer: Writer): Decided<Spot> {
  const base = writer.baseVersion
  const placed = 'line' as const
  if (base === null || base === state.version) {
    const count = state.feeds + 1
    if (line < 0 || line > count) return reject(lineOutOfRange(state, line, count))
    return accept({ line, told: { placed } })
  }
  if (forgotten(state, writer)) return lost(state, line, null)
  const seen = textAt(state.memory, base)
  const count = text.lines(seen).length
  if (line < 0 || line > count) return reject(lineOutOfRange(state, line, count, base))
  if (line === 0) return accept({ line, told: { placed } })
  let start = text.lineStart(seen, line)
  for (const change of changesSince(state.memory, base)) {
    if (isWholeText(change.type)) return lost(state, line, change)
    start = carryLineStart(start, change.effect)
  }
  // The one line of an empty text is what others have made of it since, all of it.
  const now = seen === '' ? state.feeds + 1 : text.lineAt(state.value, start)
  return accept({ line: now, told: now === line ? { placed } : { placed, from_line: line } })
}

/** The anchor is a whole line of the text as it is now, and stands there once. */
function afterAnchor(state: BlockState, anchor: string, writer: Writer): Decided<Spot> {
  const all = state.length === 0 ? [] : text.lines(state.value)
  const found = all.flatMap((line, i) => (line === anchor ? [i + 1] : []))
  const [line] = found
  if (line === undefined) return lost(state, anchor, lastToTouch(state, anchor, writer))
  if (found.length > 1) return reject(anchorAmbiguous(state, anchor, found))
  return accept({ line, told: { placed: 'after' } })
}

/** Whoever took the line away, if the writer saw it. */
function lastToTouch(state: BlockState, anchor: string, writer: Writer): TextChange | null {
  const base = writer.baseVersion
  if (base === null || forgotten(state, writer)) return null
  const had = (version: number): boolean =>
    text.lines(textAt(state.memory, version)).includes(anchor)
  if (!had(base)) return null
  return changesSince(state.memory, base).find((change) => !had(change.version)) ?? null
}

function lost(state: BlockState, asked: number | string, by: TextChange | null): Decided<Spot> {
  const lost_at = by ? reference(by) : undefined
  if (state.settings.policies.anchor_lost === 'reject') {
    return reject(anchorLost(state, asked, lost_at))
  }
  const from_line = typeof asked === 'number' ? asked : undefined
  return accept({
    line: state.feeds + 1,
    told: {
      placed: 'end',
      reason: 'anchor_lost',
      ...(lost_at ? { lost_at } : {}),
      ...(from_line === undefined ? {} : { from_line }),
    },
  })
}
