import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { prose, sentence } from '../../test/support/texts.js'
import { nearest } from './nearest.js'

describe('the lines nearest to a text that is not there', () => {
  it('are the three that share most pairs of characters with it, best first', () => {
    const value = ['abcdefgh', 'abcd', 'ab cd', 'xyz', 'abcdef', 'abcde'].join('\n')
    expect(nearest(value, 'abcdefg')).toEqual([
      { line: 1, similarity: 1, text: 'abcdefgh' },
      { line: 5, similarity: 0.83, text: 'abcdef' },
      { line: 6, similarity: 0.67, text: 'abcde' },
    ])
  })

  it('stand in their order where they are equally near', () => {
    expect(nearest('abc1\nabc2\nabc3', 'abc').map(({ line }) => line)).toEqual([1, 2, 3])
  })

  it('are none where less than three pairs of ten are shared', () => {
    expect(nearest('ab\nabc\nabcd', '0123456789X').length).toBe(0)
    expect(nearest('0123', '0123456789X')).toEqual([{ line: 1, similarity: 0.3, text: '0123' }])
    expect(nearest('012', '0123456789X')).toEqual([])
  })

  it('are as many lines as were looked for', () => {
    expect(nearest('one\ntwo\nthree\nfour', 'two\nthree!')).toEqual([
      { line: 2, similarity: 0.89, text: 'two\nthree' },
      { line: 3, similarity: 0.44, text: 'three\nfour' },
      { line: 1, similarity: 0.33, text: 'one\ntwo' },
    ])
    expect(nearest('one', 'one\ntwo')).toEqual([])
    expect(nearest('one\ntwo', 'one\ntwx')).toMatchObject([{ line: 1, similarity: 0.83 }])
  })

  it('are none for a text without a pair', () => {
    for (const wanted of ['', 'a']) expect(nearest('a\nab', wanted)).toEqual([])
  })

  it('are shown shortened, in whole characters', () => {
    const long = '\u{1f600}'.repeat(201)
    expect(nearest(long, long)).toEqual([
      { line: 1, similarity: 1, text: `${'\u{1f600}'.repeat(200)}…` },
    ])
    const fits = '\u{1f600}'.repeat(200)
    expect(nearest(fits, fits)).toEqual([{ line: 1, similarity: 1, text: fits }])
  })

  it('are looked for in the first 500 lines, by their first 400 characters', () => {
    const lines = (count: number) => [...Array(count).fill('-'), 'wanted'].join('\n')
    expect(nearest(lines(499), 'wanted')).toMatchObject([{ line: 500 }])
    expect(nearest(lines(500), 'wanted')).toEqual([])
    const far = 'x'.repeat(399)
    expect(nearest(`${far}yz`, `${far}y`)).toMatchObject([{ similarity: 1 }])
    expect(nearest(`${far}y`, `${far}yz`)).toMatchObject([{ similarity: 1 }])
    expect(nearest(`${far.slice(1)}yz`, `${far.slice(1)}y!`)).toMatchObject([{ similarity: 0.67 }])
    expect(nearest(far, `${far}y`)).toMatchObject([{ similarity: 0.5 }])
  })

  it('name a line that stands there, and the wanted line itself first where it does', () => {
    fc.assert(
      fc.property(prose, sentence, fc.boolean(), (value, wanted, there) => {
        const all = there ? `${value}\n${wanted}` : value
        const found = nearest(all, wanted)
        const lines = all.split('\n')
        for (const { line, text } of found) expect(lines[line - 1]).toBe(text)
        const near = found.map(({ similarity }) => similarity)
        expect(near).toEqual([...near].sort((a, b) => b - a))
        if (there && wanted.length > 1) expect(near[0]).toBe(1)
      }),
    )
  })
})
