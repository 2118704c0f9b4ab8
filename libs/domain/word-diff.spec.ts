import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { anyText, prose, sentence } from '../../test/support/texts.js'
import { apply, length, type Splice, slice } from './text.js'
import { tokens, wordDifference } from './word-diff.js'

const text = fc.oneof(anyText, prose)

/** Pieces of `from` and `to` that the splices name. */
function named(from: string, effect: readonly Splice[]): { removed: string[]; added: string[] } {
  let value = from
  const removed = effect.map((splice) => {
    const piece = slice(value, splice.offset, splice.offset + splice.delete)
    value = apply(value, [splice])
    return piece
  })
  return { removed, added: effect.map(({ insert }) => insert) }
}

describe('the difference in words', () => {
  it('turns the one text into the other, whatever they are', () => {
    fc.assert(
      fc.property(text, text, (from, to) => {
        expect(apply(from, wordDifference(from, to))).toBe(to)
      }),
    )
  })

  it('goes forwards, with something that stays between two splices, and names no empty one', () => {
    fc.assert(
      fc.property(text, text, (from, to) => {
        let end = -1
        for (const { offset, delete: count, insert } of wordDifference(from, to)) {
          expect(offset).toBeGreaterThan(end)
          expect(count + insert.length).toBeGreaterThan(0)
          end = offset + length(insert)
        }
      }),
    )
  })

  it('is nothing between a text and itself', () => {
    fc.assert(fc.property(text, (same) => expect(wordDifference(same, same)).toEqual([])))
  })

  it('has in no splice the words that stay', () => {
    fc.assert(
      fc.property(
        fc.array(sentence, { minLength: 1, maxLength: 5 }),
        sentence,
        fc.nat(),
        (all, added, at) => {
          const place = at % (all.length + 1)
          const from = all.join('\n')
          const to = [...all.slice(0, place), added, ...all.slice(place)].join('\n')
          const { removed, added: put } = named(from, wordDifference(from, to))
          expect(removed.join('')).toBe('')
          expect(length(put.join(''))).toBe(length(to) - length(from))
        },
      ),
    )
  })

  it.each<[name: string, from: string, to: string, effect: Splice[]]>([
    [
      'a word for a word',
      'the red fox',
      'the blue fox',
      [{ offset: 4, delete: 3, insert: 'blue' }],
    ],
    ['no part of a word', 'cats purr', 'cars purr', [{ offset: 0, delete: 4, insert: 'cars' }]],
    ['a word that grows as a word', 'a be c', 'a bee c', [{ offset: 2, delete: 2, insert: 'bee' }]],
    [
      'a word that grows at its front as a word',
      'x be',
      'x abe',
      [{ offset: 2, delete: 2, insert: 'abe' }],
    ],
    ['a word at the end that grows', 'a be', 'a bee', [{ offset: 2, delete: 2, insert: 'bee' }]],
    ['a word that shrinks at the end', 'a bee', 'a be', [{ offset: 2, delete: 3, insert: 'be' }]],
    ['a word that shrinks at its front', 'abe x', 'be x', [{ offset: 0, delete: 3, insert: 'be' }]],
    ['a mark by itself', 'red.', 'red!', [{ offset: 3, delete: 1, insert: '!' }]],
    ['a space by itself', 'red fox', 'red  fox', [{ offset: 4, delete: 0, insert: ' ' }]],
    [
      'one character of a script without spaces',
      '中文字',
      '中大字',
      [{ offset: 1, delete: 1, insert: '大' }],
    ],
    [
      'a letter with its accent',
      'ne\u0301 x',
      'ne\u0300 x',
      [{ offset: 0, delete: 3, insert: 'ne\u0300' }],
    ],
    ['a number', 'take 12 of', 'take 13 of', [{ offset: 5, delete: 2, insert: '13' }]],
    [
      'a name with an underscore',
      'set a_b now',
      'set a_c now',
      [{ offset: 4, delete: 3, insert: 'a_c' }],
    ],
    [
      'whole characters outside the first plane',
      '\u{1f600}!',
      '\u{1f601}!',
      [{ offset: 0, delete: 1, insert: '\u{1f601}' }],
    ],
    [
      'two words apart, each on its own',
      'one two three',
      'ONE two THREE',
      [
        { offset: 0, delete: 3, insert: 'ONE' },
        { offset: 8, delete: 5, insert: 'THREE' },
      ],
    ],
    [
      'what went and what came, as one',
      'a, b and c stay',
      'a b; c stay',
      [
        { offset: 1, delete: 1, insert: '' },
        { offset: 3, delete: 4, insert: ';' },
      ],
    ],
    [
      'a line that came',
      'one\nthree',
      'one\ntwo\nthree',
      [{ offset: 4, delete: 0, insert: 'two\n' }],
    ],
  ])('names %s', (_name, from, to, effect) => {
    expect(wordDifference(from, to)).toEqual(effect)
  })

  it('of texts too different for words is told line by line, then as a whole', () => {
    const row = (name: string) => Array.from({ length: 30 }, (_, i) => `${name}${i}`).join(' ')
    const rows = (name: string, count: number) =>
      Array.from({ length: count }, (_, i) => row(`${name}${i}/`))
    const kept = row('kept')
    const from = [...rows('a', 6), kept, ...rows('b', 6)].join('\n')
    const to = [...rows('c', 6), kept, ...rows('d', 6)].join('\n')
    const lineByLine = wordDifference(from, to)
    expect(apply(from, lineByLine)).toBe(to)
    expect(lineByLine).toHaveLength(2)
    expect(named(from, lineByLine).removed.join('')).not.toContain(kept)
    const [far, away] = [rows('x', 205).join('\n'), rows('y', 205).join('\n')]
    const middle = `${far.replace('x100/0', kept)}.`
    expect(wordDifference(middle, away)).toEqual([
      { offset: 0, delete: length(middle), insert: away },
    ])
  })
})

describe('tokens', () => {
  it('concatenate to their text', () => {
    fc.assert(fc.property(text, (value) => expect(tokens(value).join('')).toBe(value)))
  })

  it('are words, runs of spaces, line feeds and single marks', () => {
    expect(tokens('')).toEqual([])
    expect(tokens('né_1  \tb\n\n ok--中文ไท かカ\u{1f600}')).toEqual([
      ...[
        'né_1',
        '  \t',
        'b',
        '\n',
        '\n',
        ' ',
        'ok',
        '-',
        '-',
        '中',
        '文',
        'ไ',
        'ท',
        ' ',
        'か',
        'カ',
      ],
      '\u{1f600}',
    ])
  })
})
