import { diffArrays } from 'diff'
import { commonEnds, length, lines, type Splice } from './text.js'

/** Scripts that put no space between words: each of their characters counts as one. */
const UNSPACED = '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}'
const WORD = `(?![${UNSPACED}])[\\p{L}\\p{M}\\p{N}_]`
/** Words, runs of spaces, and every other character by itself. */
const TOKEN = new RegExp(`(?:${WORD})+|[^\\S\\n]+|[^]`, 'gu')
const WORD_START = new RegExp(`^${WORD}`, 'u')

/**
 * Edits beyond which words are not told apart any more: two texts so different are compared line by
 * line, and then as wholes. It keeps a rewrite of a long text from holding up everybody else.
 */
const WORD_EDITS_MAX = 600
const LINE_EDITS_MAX = 400

/**
 * The splices that turn `from` into `to`, each on the text after the one before: words that stay are in
 * none of them. Empty when the texts are equal.
 */
export function wordDifference(from: string, to: string): Splice[] {
  if (from === to) return []
  const { start, tail } = wholeWords(from, to, commonEnds(from, to))
  const removed = from.slice(start, from.length - tail)
  const added = to.slice(start, to.length - tail)
  const offset = length(from.slice(0, start))
  const parts =
    diffArrays(tokens(removed), tokens(added), { maxEditLength: WORD_EDITS_MAX }) ??
    diffArrays(fedLines(removed), fedLines(added), { maxEditLength: LINE_EDITS_MAX })
  if (!parts) return [{ offset, delete: length(removed), insert: added }]
  return splices(parts, offset)
}

interface Part {
  readonly value: readonly string[]
  readonly added?: boolean
  readonly removed?: boolean
}

/** Neighbouring additions and removals become one splice. */
function splices(parts: readonly Part[], offset: number): Splice[] {
  const effect: Splice[] = []
  let at = offset
  let open = { delete: 0, insert: '' }
  const close = (): void => {
    if (open.delete > 0 || open.insert !== '') effect.push({ offset: at, ...open })
    at += length(open.insert)
    open = { delete: 0, insert: '' }
  }
  for (const { value, added, removed } of parts) {
    const text = value.join('')
    if (added) open.insert += text
    else if (removed) open.delete += length(text)
    else {
      close()
      at += length(text)
    }
  }
  close()
  return effect
}

/** Common ends that cut no word in two. */
function wholeWords(
  from: string,
  to: string,
  ends: { start: number; tail: number },
): { start: number; tail: number } {
  let { start, tail } = ends
  while (start > 0 && (isWordAt(from, start) || isWordAt(to, start)) && isWordAt(from, start - 1)) {
    start--
  }
  const goesOn = (text: string): boolean => isWordAt(text, text.length - tail - 1)
  while (tail > 0 && isWordAt(from, from.length - tail) && (goesOn(from) || goesOn(to))) tail--
  return { start, tail }
}

/** Either half of a character outside the first plane counts as a word's: it is never parted from the other. */
function isWordAt(text: string, at: number): boolean {
  const unit = text.charCodeAt(at)
  return (unit >= 0xd800 && unit <= 0xdfff) || WORD_START.test(text[at] ?? '')
}

/** A text cut into what the eye takes for its smallest parts; they concatenate to it. */
export function tokens(text: string): string[] {
  return text.match(TOKEN) ?? []
}

function fedLines(text: string): string[] {
  const all = lines(text)
  return all
    .map((line, i) => (i < all.length - 1 ? `${line}\n` : line))
    .filter((line) => line !== '')
}
