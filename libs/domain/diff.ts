import { FILE_HEADERS_ONLY, formatPatch, structuredPatch } from 'diff'
import { type Owners, owned, spliced, stretches } from './span-tree.js'
import { commonEnds, length, lines, pieces, type Splice } from './text.js'
import { wordDifference } from './word-diff.js'

/** One place where two texts differ, in words. Offsets in code points, `end` exclusive; lines from 1. */
export interface WordHunk {
  readonly line: number
  readonly removed: string
  readonly added: string
  /** What stands right before and behind it in its line, at most `CONTEXT` code points. */
  readonly before: string
  readonly after: string
  /** Where the removed text stood in the text before. */
  readonly from: { readonly start: number; readonly end: number }
  /** Where the added text stands in the text afterwards. */
  readonly to: { readonly start: number; readonly end: number }
}

/** A text of a block, under the name it has in a patch. */
export interface NamedText {
  readonly name: string
  readonly value: string
}

/** The text of an edit of the past, and its version. */
export interface PastEdit {
  readonly version: number
  readonly effect: readonly Splice[]
}

/** A stretch of an older text, and the edit that took it away; null where it still stands. */
export interface Fate {
  readonly start: number
  readonly end: number
  readonly goneBy: number | null
}

const CONTEXT = 20
const UNIFIED_CONTEXT = 3
const NO_FEED = '\\ No newline at end of file'
/** Lines beyond which two texts are told as wholes: comparing them would take longer than anybody should wait. */
const LINE_EDITS_MAX = 1_000

/** The words that differ, in the order of the text; none when the texts are equal. */
export function wordHunks(before: string, after: string): WordHunk[] {
  const effect = wordDifference(before, after)
  // Splices go forwards: each text is what stays between them, and what they took or brought.
  const kept: number[] = []
  let end = 0
  for (const { offset, insert } of effect) {
    kept.push(offset - end)
    end = offset + length(insert)
  }
  const paired = (size: (splice: Splice) => number): number[] =>
    effect.flatMap((splice, i) => [kept[i] as number, size(splice)])
  const old = pieces(
    before,
    paired((splice) => splice.delete),
  )
  const now = pieces(
    after,
    paired((splice) => length(splice.insert)),
  )
  let line = 1
  let from = 0
  return effect.map(({ offset, delete: count, insert }, i): WordHunk => {
    const gap = now[2 * i] as string
    line += feeds(gap)
    from += kept[i] as number
    const hunk = {
      line,
      removed: old[2 * i + 1] as string,
      added: insert,
      before: Array.from(lines(gap).at(-1) as string)
        .slice(-CONTEXT)
        .join(''),
      after: Array.from(lines(now[2 * i + 2] as string)[0] as string)
        .slice(0, CONTEXT)
        .join(''),
      from: { start: from, end: from + count },
      to: { start: offset, end: offset + length(insert) },
    }
    line += feeds(insert)
    from += count
    return hunk
  })
}

function feeds(text: string): number {
  return lines(text).length - 1
}

/**
 * What became of an older text: the edits since, taken back one after another, leave it behind, and each
 * puts back what it had taken away.
 *
 * @param points of the newer text
 * @param edits between the two, newest first
 */
export function fates(points: number, edits: readonly PastEdit[]): Fate[] {
  const standing = owned(points, 0)
  const all = edits.reduce(takenBack, standing)
  let start = 0
  return stretches(all).map(({ points: count, version }) => {
    const fate = { start, end: start + count, goneBy: version === 0 ? null : version }
    start = fate.end
    return fate
  })
}

function takenBack(owners: Owners, { version, effect }: PastEdit): Owners {
  return effect.reduceRight<Owners>((after, { offset, delete: count, insert }) => {
    return spliced(after, offset, length(insert), owned(count, version))
  }, owners)
}

/** The difference as a unified diff, as `patch` reads it; '' when the texts are equal. */
export function unifiedDiff(from: NamedText, to: NamedText): string {
  if (from.value === to.value) return ''
  const patch = structuredPatch(from.name, to.name, from.value, to.value, undefined, undefined, {
    context: UNIFIED_CONTEXT,
    maxEditLength: LINE_EDITS_MAX,
  })
  return patch ? formatPatch(patch, FILE_HEADERS_ONLY) : wholePatch(from, to)
}

/** Everything from the first line on that differs, as one hunk. */
function wholePatch(from: NamedText, to: NamedText): string {
  const { start } = commonEnds(from.value, to.value)
  const first = from.value.lastIndexOf('\n', start - 1) + 1
  const line = 1 + feeds(from.value.slice(0, first))
  const removed = signedLines('-', from.value.slice(first))
  const added = signedLines('+', to.value.slice(first))
  const count = (all: readonly string[]): number => all.filter((told) => told !== NO_FEED).length
  const ranges = {
    oldStart: line,
    oldLines: count(removed),
    newStart: line,
    newLines: count(added),
  }
  const hunks = [{ ...ranges, lines: [...removed, ...added] }]
  const names = { oldFileName: from.name, newFileName: to.name }
  const headers = { oldHeader: undefined, newHeader: undefined }
  return formatPatch({ ...names, ...headers, hunks }, FILE_HEADERS_ONLY)
}

function signedLines(sign: string, text: string): string[] {
  const all = lines(text)
  const open = all.pop() as string
  const fed = all.map((line) => sign + line)
  return open === '' ? fed : [...fed, sign + open, NO_FEED]
}
