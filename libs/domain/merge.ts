import { diffArrays } from 'diff'
import { lines } from './text.js'

/** A place where both sides changed the same lines, differently. */
export interface MergeConflict {
  /** 1-based line of the base at which it begins. */
  readonly line: number
  readonly base: string
  readonly mine: string
  readonly theirs: string
}

export type Merged =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly conflicts: readonly MergeConflict[] }

/** Lines `start` up to `end` of the base, exclusive, became these. */
interface Edit {
  readonly start: number
  readonly end: number
  readonly lines: readonly string[]
}

/** Two sides that differ by more lines are not merged: it would take longer than anybody should wait. */
const EDITS_MAX = 400

/**
 * Merges two texts that come from the same base, line by line. Changes of different lines with at least one
 * line between them merge; the same change on both sides counts once; everything else is a conflict.
 */
export function mergeLines(base: string, mine: string, theirs: string): Merged {
  // However much one side changed: where the other changed nothing there is nothing to compare.
  if (theirs === base || theirs === mine) return { ok: true, text: mine }
  if (mine === base) return { ok: true, text: theirs }
  const from = lines(base)
  const ours = editsOf(from, lines(mine))
  const others = editsOf(from, lines(theirs))
  if (!ours || !others) return { ok: false, conflicts: [{ line: 1, base, mine, theirs }] }
  const merged: string[] = []
  const conflicts: MergeConflict[] = []
  let at = 0
  for (const { start, end } of regions([...ours, ...others])) {
    merged.push(...from.slice(at, start))
    at = end
    const [left, right] = [ours, others].map((edits) => within(from, edits, start, end))
    const [mineThere, theirsThere] = [left, right] as [string[], string[]]
    const untouched = from.slice(start, end)
    if (same(mineThere, theirsThere) || same(theirsThere, untouched)) merged.push(...mineThere)
    else if (same(mineThere, untouched)) merged.push(...theirsThere)
    else {
      const [b, m, t] = [untouched, mineThere, theirsThere].map((all) => all.join('\n'))
      conflicts.push({
        line: start + 1,
        base: b as string,
        mine: m as string,
        theirs: t as string,
      })
    }
  }
  merged.push(...from.slice(at))
  return conflicts.length > 0 ? { ok: false, conflicts } : { ok: true, text: merged.join('\n') }
}

function editsOf(from: readonly string[], to: readonly string[]): Edit[] | null {
  const parts = diffArrays([...from], [...to], { maxEditLength: EDITS_MAX })
  if (!parts) return null
  const edits: Edit[] = []
  let at = 0
  let open: { start: number; end: number; lines: string[] } | null = null
  for (const { value, added, removed } of parts) {
    if (!added && !removed) {
      at += value.length
      open = null
      continue
    }
    if (!open) {
      open = { start: at, end: at, lines: [] }
      edits.push(open)
    }
    if (added) open.lines.push(...value)
    else {
      at += value.length
      open.end = at
    }
  }
  return edits
}

/** Stretches of the base in which edits overlap or touch. */
function regions(edits: readonly Edit[]): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = []
  for (const { start, end } of [...edits].sort((a, b) => a.start - b.start || a.end - b.end)) {
    const last = found.at(-1)
    if (last && start <= last.end) last.end = Math.max(last.end, end)
    else found.push({ start, end })
  }
  return found
}

/** What one side made of a stretch of the base. */
function within(
  from: readonly string[],
  edits: readonly Edit[],
  start: number,
  end: number,
): string[] {
  const made: string[] = []
  let at = start
  for (const edit of edits) {
    if (edit.start < start || edit.end > end) continue
    made.push(...from.slice(at, edit.start), ...edit.lines)
    at = edit.end
  }
  return [...made, ...from.slice(at, end)]
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, i) => line === b[i])
}
