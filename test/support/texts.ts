import fc from 'fast-check'
import type { Splice } from '#domain/text.js'

/** Characters whose lengths differ in code points, UTF-16 units and bytes, and what only looks like a line's end. */
const UNITS = [
  'a',
  'b',
  ' ',
  '\n',
  '\r',
  '\t',
  'é',
  'e\u0301',
  '\u{1f600}',
  '\u2028',
  '中',
  '$&',
  '1',
]

/** Few different characters, so that places coincide; any number of lines. */
export const anyText = fc.string({ unit: fc.constantFrom(...UNITS), maxLength: 24 })
export const someText = anyText.filter((text) => text !== '')
/** A line of words; never empty. */
export const word = fc.constantFrom('red', 'green', 'blue', 'ünï', '\u{1f600}', '中文', 'x1', '_')
export const sentence = fc
  .array(word, { minLength: 1, maxLength: 6 })
  .map((words) => words.join(' '))
export const prose = fc
  .array(fc.oneof(sentence, fc.constant('')), { maxLength: 8 })
  .map((all) => all.join('\n'))

export const wantedEdits = fc.array(fc.tuple(fc.nat(40), fc.nat(6), anyText), { maxLength: 5 })

/** Splices that fit the text each of them meets, in any direction. */
export function effectOn(
  value: string,
  wanted: readonly (readonly [at: number, deleted: number, insert: string])[],
): Splice[] {
  let points = [...value].length
  return wanted.map(([at, deleted, insert]) => {
    const offset = Math.min(at, points)
    const remove = Math.min(deleted, points - offset)
    points += [...insert].length - remove
    return { offset, delete: remove, insert }
  })
}

/** Every order of some things. */
export function permutations<T>(all: readonly T[]): T[][] {
  if (all.length === 0) return [[]]
  return all.flatMap((first, i) =>
    permutations([...all.slice(0, i), ...all.slice(i + 1)]).map((rest) => [first, ...rest]),
  )
}
