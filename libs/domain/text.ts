/**
 * Text as blocks see it. Every length and offset counts Unicode code points, a line ends at LF and
 * nowhere else, and nothing is ever trimmed, normalised, or interpreted.
 */

/** One change of a text: at `offset`, `delete` code points go and `insert` comes. */
export interface Splice {
  readonly offset: number
  readonly delete: number
  readonly insert: string
}

const SURROGATE = /[\ud800-\udfff]/
const LINE_NUMBER_PREFIX = /^[ \t]*\p{Nd}+→[ \t]*/u

/** The sentence that heads a numbered view; it is not part of any text and must not come back as one. */
export const NUMBERED_VIEW_BANNER =
  "# NOTE: Line numbers shown below (with arrows like '1→') are to help during editing. Do NOT include line number prefixes in your memory edit tool calls."

/** Number of code points. */
export function length(text: string): number {
  if (!SURROGATE.test(text)) return text.length
  let count = 0
  for (const _ of text) count++
  return count
}

/** Where a code point offset stands in UTF-16 units. */
function unitsAt(text: string, offset: number): number {
  return SURROGATE.test(text) ? unitsAfter(text, 0, offset, false) : offset
}

/** The UTF-16 offset that lies `count` code points after the one given, or the end. */
function unitsAfter(text: string, from: number, count: number, narrow: boolean): number {
  if (narrow) return Math.min(from + count, text.length)
  let units = from
  for (let seen = 0; seen < count && units < text.length; seen++) {
    units += (text.codePointAt(units) as number) > 0xffff ? 2 : 1
  }
  return units
}

/** The code points from `start` up to `end`, exclusive. */
export function slice(text: string, start: number, end: number): string {
  const from = unitsAt(text, start)
  return text.slice(from, from + unitsAt(text.slice(from), end - start))
}

/** The text cut into pieces of so many code points each, and what is left behind them. */
export function pieces(text: string, lengths: readonly number[]): string[] {
  const narrow = !SURROGATE.test(text)
  let from = 0
  const cut = lengths.map((points) => {
    const start = from
    from = unitsAfter(text, from, points, narrow)
    return text.slice(start, from)
  })
  return [...cut, text.slice(from)]
}

/** Applies splices in order, each on the text after the one before. */
export function apply(text: string, effect: readonly Splice[]): string {
  return applyAll(text, effect, !SURROGATE.test(text)).value
}

interface Applied {
  readonly value: string
  /** What each of the splices took out. */
  readonly removed: readonly string[]
}

/** @param narrow no character of the text is two UTF-16 units: offsets need no counting. */
function applyAll(text: string, effect: readonly Splice[], narrow: boolean): Applied {
  const [first] = effect
  if (effect.length !== 1 || !first) return applyMany(text, effect, narrow)
  const start = unitsAfter(text, 0, first.offset, narrow)
  const end = unitsAfter(text, start, first.delete, narrow)
  const value = text.slice(0, start) + first.insert + text.slice(end)
  return { value, removed: [text.slice(start, end)] }
}

/** One pass as long as the splices go forwards, as those of a replacement in thousands of places do. */
function applyMany(text: string, effect: readonly Splice[], narrow: boolean): Applied {
  const removed: string[] = []
  let from = text
  let isNarrow = narrow
  let pieces: string[] = []
  let units = 0
  let points = 0
  for (const splice of effect) {
    if (splice.offset < points) {
      from = pieces.join('') + from.slice(units)
      isNarrow = !SURROGATE.test(from)
      pieces = []
      units = 0
      points = 0
    }
    const start = unitsAfter(from, units, splice.offset - points, isNarrow)
    pieces.push(from.slice(units, start), splice.insert)
    units = unitsAfter(from, start, splice.delete, isNarrow)
    removed.push(from.slice(start, units))
    points = splice.offset + length(splice.insert)
  }
  return { value: pieces.join('') + from.slice(units), removed }
}

/**
 * A text with its measures, kept up to date edit by edit: appending to a long text costs nothing that
 * grows with it (the engine joins strings lazily, and nothing here looks at the old part).
 */
export interface Measured {
  readonly value: string
  /** Code points. */
  readonly length: number
  /** Line feeds in it. */
  readonly feeds: number
}

export function measure(value: string): Measured {
  return { value, length: length(value), feeds: feeds(value) }
}

/** The text after an effect, measured. */
export function edit(before: Measured, effect: readonly Splice[]): Measured {
  const [first] = effect
  const appends = effect.length === 1 && first?.offset === before.length && first.delete === 0
  const { value, removed } = appends
    ? { value: before.value + first.insert, removed: [] }
    : applyAll(before.value, effect, before.length === before.value.length)
  let { length: points, feeds: count } = before
  for (const splice of effect) {
    points += length(splice.insert) - splice.delete
    count += feeds(splice.insert)
  }
  for (const text of removed) count -= feeds(text)
  return { value, length: points, feeds: count }
}

function feeds(text: string): number {
  let count = 0
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count++
  return count
}

/** The lines of a text; `""` counts as one empty line. */
export function lines(text: string): string[] {
  return text.split('\n')
}

/** Code point offset at which a 1-based line begins; the end of the text for a line there is not. */
export function lineStart(text: string, line: number): number {
  let units = 0
  for (let i = 1; i < line; i++) {
    const feed = text.indexOf('\n', units)
    if (feed < 0) return length(text)
    units = feed + 1
  }
  return length(text.slice(0, units))
}

/** 1-based line in which a code point offset stands. */
export function lineAt(text: string, offset: number): number {
  const end = unitsAt(text, offset)
  let line = 1
  for (let i = text.indexOf('\n'); i >= 0 && i < end; i = text.indexOf('\n', i + 1)) line++
  return line
}

/** Code point offsets of every occurrence, overlapping ones too: `aa` stands twice in `aaa`. */
export function occurrences(text: string, part: string): number[] {
  const found: number[] = []
  let units = 0
  let points = 0
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + 1)) {
    points += length(text.slice(units, at))
    units = at
    found.push(points)
  }
  return found
}

/**
 * The splice that puts `added` after line `line` (0: before the first line; the number of lines: at
 * the end). Into an empty text exactly `added` goes, without a newline.
 */
export function insertAfterLine(text: Measured, line: number, added: string): Splice {
  if (text.length === 0) return { offset: 0, delete: 0, insert: added }
  if (line === 0) return { offset: 0, delete: 0, insert: `${added}\n` }
  const atEnd = line === text.feeds + 1
  const offset = atEnd ? text.length : length(lines(text.value).slice(0, line).join('\n'))
  return { offset, delete: 0, insert: `\n${added}` }
}

/** Splices for every occurrence, left to right without overlap. */
export function replaceAll(text: string, old: string, replacement: string): Splice[] {
  const effect: Splice[] = []
  const oldLength = length(old)
  const growth = length(replacement) - oldLength
  let end = 0
  for (const offset of occurrences(text, old)) {
    if (offset < end) continue
    effect.push({ offset: offset + growth * effect.length, delete: oldLength, insert: replacement })
    end = offset + oldLength
  }
  return effect
}

/** The one splice that turns `from` into `to`: common beginning and end stay. Empty when they are equal. */
export function difference(from: string, to: string): Splice[] {
  if (from === to) return []
  const { start, tail } = commonEnds(from, to)
  const removed = from.slice(start, from.length - tail)
  return [
    {
      offset: length(from.slice(0, start)),
      delete: length(removed),
      insert: to.slice(start, to.length - tail),
    },
  ]
}

/** UTF-16 units at the beginning and at the end that two texts have in common; no character is cut in two. */
export function commonEnds(from: string, to: string): { start: number; tail: number } {
  let start = 0
  const shorter = Math.min(from.length, to.length)
  while (start < shorter && from.charCodeAt(start) === to.charCodeAt(start)) start++
  if (start > 0 && isHighSurrogate(from, start - 1)) start--
  let tail = 0
  while (
    tail < shorter - start &&
    from.charCodeAt(from.length - 1 - tail) === to.charCodeAt(to.length - 1 - tail)
  ) {
    tail++
  }
  if (tail > 0 && isLowSurrogate(from, from.length - tail)) tail--
  return { start, tail }
}

function isHighSurrogate(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xd800
}

function isLowSurrogate(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xdc00
}

/** True when a line begins with a number and an arrow, as only a numbered view writes it. */
export function hasLineNumberPrefix(text: string): boolean {
  return lines(text).some((line) => LINE_NUMBER_PREFIX.test(line))
}

/** What makes a text unstorable: the database cannot hold NUL, and drivers rewrite lone surrogates in silence. */
export function unstorable(text: string): 'nul_not_allowed' | 'lone_surrogate' | null {
  if (text.includes('\0')) return 'nul_not_allowed'
  return text.isWellFormed() ? null : 'lone_surrogate'
}
