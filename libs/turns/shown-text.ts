import { echo } from '#domain/errors.js'
import { length, lines } from '#domain/text.js'

/** Code points of current text that a return shows. */
export const TEXT_SHOWN_MAX = 4_000
/** Of a longer text's lines, each at most so much. */
const LINE_SHOWN_MAX = 1_000
/** A line's number, its arrow, and the note of the lines left out above it. */
const LINE_OVERHEAD = 40

/** The text as a return shows it: in full, or the lines around some places. */
export interface ShownText {
  readonly lines: readonly string[]
  readonly full: boolean
}

/** @param places 1-based lines that matter, where the text is too long to be shown as a whole. */
export function shownText(
  { version, text }: { readonly version: number; readonly text: string },
  places: readonly number[],
): ShownText {
  if (text === '') return { lines: [`--- current text (v${version}): empty ---`], full: true }
  if (length(text) <= TEXT_SHOWN_MAX) {
    return { lines: [`--- current text (v${version}) ---`, text], full: true }
  }
  const all = lines(text)
  const head = `--- current text (v${version}), in part; the numbers of its ${all.length} lines are no part of it ---`
  return { lines: [head, ...around(all, places)], full: false }
}

/** Lines outwards from the places, as many as there is room for, then top to bottom. */
function around(all: readonly string[], places: readonly number[]): string[] {
  const inside = places.filter((line) => line >= 1 && line <= all.length)
  const centres = inside.length > 0 ? inside : [1, all.length]
  const shown = new Map<number, string>()
  let room = TEXT_SHOWN_MAX
  for (let distance = 0; room > 0 && distance < all.length; distance++) {
    for (const line of centres.flatMap((at) => [at - distance, at + distance])) {
      if (line < 1 || line > all.length || shown.has(line)) continue
      const text = echo(all[line - 1] as string, LINE_SHOWN_MAX)
      room -= length(text) + LINE_OVERHEAD
      if (room < 0) break
      shown.set(line, text)
    }
  }
  return withGaps(shown, all.length)
}

function withGaps(shown: ReadonlyMap<number, string>, count: number): string[] {
  const told: string[] = []
  let next = 1
  for (const [line, text] of [...shown].sort(([a], [b]) => a - b)) {
    if (line > next) told.push(leftOut(next, line - 1))
    told.push(`${line}→ ${text}`)
    next = line + 1
  }
  if (next <= count) told.push(leftOut(next, count))
  return told
}

function leftOut(from: number, to: number): string {
  return from === to ? `[line ${from} left out]` : `[lines ${from} to ${to} left out]`
}
