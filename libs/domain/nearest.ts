import { length, lines, slice } from './text.js'

/** A line, or as many lines as were looked for, that resembles a text which is not there. */
export interface Nearest {
  /** 1-based. */
  readonly line: number
  /** Share of the text's pairs of neighbouring characters that stand there too: 0 to 1. */
  readonly similarity: number
  readonly text: string
}

const NEAREST_MAX = 3
const SIMILARITY_MIN = 0.3
/** How much is looked at: a refusal must not cost more than an edit. */
const LINES_MAX = 500
const COMPARED_LENGTH_MAX = 400
const SHOWN_LENGTH_MAX = 200

/** The lines that resemble a text most, best first; none when nothing does. */
export function nearest(value: string, wanted: string): Nearest[] {
  const pairs = pairsOf(wanted)
  if (pairs.size === 0) return []
  const all = lines(value)
  const height = lines(wanted).length
  const found: Nearest[] = []
  for (let i = 0; i <= Math.min(all.length - height, LINES_MAX - 1); i++) {
    const text = height === 1 ? (all[i] as string) : all.slice(i, i + height).join('\n')
    const there = pairsOf(text)
    let shared = 0
    for (const pair of pairs) if (there.has(pair)) shared++
    const similarity = Math.round((shared / pairs.size) * 100) / 100
    if (similarity >= SIMILARITY_MIN) found.push({ line: i + 1, similarity, text: shown(text) })
  }
  return found.sort((a, b) => b.similarity - a.similarity).slice(0, NEAREST_MAX)
}

function pairsOf(text: string): Set<string> {
  const end = Math.min(text.length, COMPARED_LENGTH_MAX) - 1
  const pairs = new Set<string>()
  for (let i = 0; i < end; i++) pairs.add(text.slice(i, i + 2))
  return pairs
}

function shown(text: string): string {
  return length(text) <= SHOWN_LENGTH_MAX ? text : `${slice(text, 0, SHOWN_LENGTH_MAX)}…`
}
