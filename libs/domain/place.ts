import { length, type Splice } from './text.js'

/** A stretch of a text, in code points; `end` is exclusive. An empty one is a point between two characters. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A span carried forward; `touched` when the effect changed something in it. */
export interface CarriedSpan extends Span {
  readonly touched: boolean
}

export function spanOf({ offset, insert }: Splice): Span {
  return { start: offset, end: offset + length(insert) }
}

/**
 * Where a span stands after an effect. What comes before it shifts it, what is put right before or
 * right behind it stays outside. An edit inside it grows or shrinks it; one across its border leaves
 * what survives of it.
 */
export function carry(span: Span, effect: readonly Splice[]): CarriedSpan {
  let { start, end } = span
  let touched = false
  for (const splice of effect) {
    const from = splice.offset
    const to = from + splice.delete
    if (from >= end) continue
    const added = length(splice.insert)
    const growth = added - splice.delete
    if (to <= start) {
      start += growth
      end += growth
      continue
    }
    touched = true
    if (from >= start && to <= end) end += growth
    else if (from >= start) end = from
    else {
      end = Math.max(to, end) + growth
      start = from + added
    }
  }
  return { start, end, touched }
}

/**
 * Where the start of a line stands after an effect. What is put at the very start stands above the line, as a
 * new first line does, or below it, as what follows an empty line does; an edit that takes the start
 * away leaves it where that edit began.
 */
export function carryLineStart(offset: number, effect: readonly Splice[]): number {
  let start = offset
  for (const splice of effect) {
    if (splice.offset > start || isBelow(splice, start)) continue
    const before = splice.offset + splice.delete <= start
    start = before ? start + length(splice.insert) - splice.delete : splice.offset
  }
  return start
}

/** A line goes below one that ends where it is put, with its feed in front; before the first line with its feed behind. */
function isBelow({ offset, insert }: Splice, start: number): boolean {
  const first = offset === 0 && insert.endsWith('\n')
  return offset === start && insert.startsWith('\n') && !first
}
