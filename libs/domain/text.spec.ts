import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { anyText, effectOn, someText, wantedEdits } from '../../test/support/texts.js'
import * as text from './text.js'

const points = (value: string): string[] => [...value]

describe('a text', () => {
  it('is measured in code points, whatever their size', () => {
    const family = '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}'
    expect([text.length(family), family.length]).toEqual([5, 8])
    fc.assert(
      fc.property(anyText, (value) => {
        expect(text.length(value)).toBe(points(value).length)
        expect(text.measure(value)).toEqual({
          value,
          length: points(value).length,
          feeds: value.split('\n').length - 1,
        })
      }),
    )
  })

  it('is cut at code points', () => {
    fc.assert(
      fc.property(anyText, fc.nat(30), fc.nat(30), (value, start, size) => {
        expect(text.slice(value, start, start + size)).toBe(
          points(value)
            .slice(start, start + size)
            .join(''),
        )
      }),
    )
  })

  it('has lines that end at a line feed and nowhere else', () => {
    expect(text.lines('')).toEqual([''])
    expect(text.lines('a\r\nb\u2028c\u2029d\re\n')).toEqual(['a\r', 'b\u2028c\u2029d\re', ''])
    fc.assert(
      fc.property(anyText, fc.nat(30), (value, offset) => {
        const before = points(value).slice(0, offset)
        expect(text.lineAt(value, offset)).toBe(before.filter((c) => c === '\n').length + 1)
        text.lines(value).forEach((_, i) => {
          const start = text.length(
            value
              .split('\n')
              .slice(0, i)
              .map((line) => `${line}\n`)
              .join(''),
          )
          expect(text.lineStart(value, i + 1)).toBe(start)
        })
        expect(text.lineStart(value, text.lines(value).length + 1)).toBe(text.length(value))
      }),
    )
  })

  it.each([
    ['\0', 'nul_not_allowed'],
    ['a\0\ud800', 'nul_not_allowed'],
    ['\ud800', 'lone_surrogate'],
    ['\udc00\ud800', 'lone_surrogate'],
    ['\u{1f600}\uffff\ufeff\u202e', null],
    ['', null],
  ])('%j cannot be stored because of %s', (value, fault) => {
    expect(text.unstorable(value)).toBe(fault)
  })
})

describe('splices', () => {
  it('are applied each on the text after the one before, in code points, and measured', () => {
    fc.assert(
      fc.property(anyText, wantedEdits, (value, wanted) => {
        const effect = effectOn(value, wanted)
        const all = points(value)
        for (const { offset, delete: deleted, insert } of effect)
          all.splice(offset, deleted, ...insert)
        expect(text.apply(value, effect)).toBe(all.join(''))
        expect(text.edit(text.measure(value), effect)).toEqual(text.measure(all.join('')))
      }),
    )
  })

  it('beyond the end take what there is', () => {
    expect(text.apply('ab', [{ offset: 1, delete: 9, insert: 'x' }])).toBe('ax')
    expect(text.apply('\u{1f600}b', [{ offset: 7, delete: 1, insert: 'x' }])).toBe('\u{1f600}bx')
  })

  it('that append are joined without a look at the text', () => {
    const before = { value: 'a\n', length: 99, feeds: 7 }
    expect(text.edit(before, [{ offset: 99, delete: 0, insert: 'b\n' }])).toEqual({
      value: 'a\nb\n',
      length: 101,
      feeds: 8,
    })
    const twice = text.edit(text.measure('a'), [
      { offset: 1, delete: 0, insert: 'b' },
      { offset: 0, delete: 1, insert: '' },
    ])
    expect(twice).toEqual(text.measure('b'))
    expect(text.edit(text.measure('a'), [])).toEqual(text.measure('a'))
  })
})

describe('the places of a part', () => {
  it('are all of them, overlapping ones too', () => {
    expect(text.occurrences('aaa', 'aa')).toEqual([0, 1])
    expect(text.occurrences('\u{1f600}a\u{1f600}a', 'a')).toEqual([1, 3])
    expect(text.occurrences('abc', 'd')).toEqual([])
    fc.assert(
      fc.property(anyText, someText, (value, part) => {
        const all = points(value)
        const size = points(part).length
        const at = all.map((_, i) => i).filter((i) => all.slice(i, i + size).join('') === part)
        expect(text.occurrences(value, part)).toEqual(at)
      }),
    )
  })

  it('are replaced left to right without overlap, and nothing in the words is interpreted', () => {
    expect(text.apply('aaaa', text.replaceAll('aaaa', 'aa', '$&'))).toBe('$&$&')
    expect(text.replaceAll('aaa', 'aa', 'b')).toEqual([{ offset: 0, delete: 2, insert: 'b' }])
    fc.assert(
      fc.property(anyText, someText, anyText, (value, old, to) => {
        const effect = text.replaceAll(value, old, to)
        expect(text.apply(value, effect)).toBe(value.split(old).join(to))
        expect(effect.length).toBe(value.split(old).length - 1)
      }),
    )
  })
})

describe('the difference of two texts', () => {
  it('is one splice between common ends, and cuts no character in two', () => {
    fc.assert(
      fc.property(anyText, anyText, anyText, anyText, (start, from, to, end) => {
        const [before, after] = [`${start}${from}${end}`, `${start}${to}${end}`]
        const effect = text.difference(before, after)
        expect(text.apply(before, effect)).toBe(after)
        expect(effect.length).toBe(before === after ? 0 : 1)
        for (const { delete: count, insert } of effect) {
          expect(insert.isWellFormed()).toBe(true)
          expect(count).toBeLessThanOrEqual(text.length(from))
          expect(text.length(insert)).toBeLessThanOrEqual(text.length(to))
        }
      }),
    )
  })

  it.each([
    ['a\u{1f600}b', 'a\u{1f601}b', { offset: 1, delete: 1, insert: '\u{1f601}' }],
    ['a\u{1f600}b', 'a\u{2f600}b', { offset: 1, delete: 1, insert: '\u{2f600}' }],
    ['\u{1f600}', '\u{1f600}\u{1f601}', { offset: 1, delete: 0, insert: '\u{1f601}' }],
    ['\u{1f601}', '\u{1f600}\u{1f601}', { offset: 0, delete: 0, insert: '\u{1f600}' }],
    ['aa', 'a', { offset: 1, delete: 1, insert: '' }],
    ['abc', 'axc', { offset: 1, delete: 1, insert: 'x' }],
  ])('from %j to %j is %j', (from, to, splice) => {
    expect(text.difference(from, to)).toEqual([splice])
  })
})

describe('a text put after a line', () => {
  it.each([
    ['', 0, { offset: 0, delete: 0, insert: 'A' }],
    ['', 1, { offset: 0, delete: 0, insert: 'A' }],
    ['one', 0, { offset: 0, delete: 0, insert: 'A\n' }],
    ['one', 1, { offset: 3, delete: 0, insert: '\nA' }],
    ['\u{1f600}\ntwo\n', 1, { offset: 1, delete: 0, insert: '\nA' }],
    ['\u{1f600}\ntwo\n', 2, { offset: 5, delete: 0, insert: '\nA' }],
    ['\u{1f600}\ntwo\n', 3, { offset: 6, delete: 0, insert: '\nA' }],
  ])('of %j after line %i is %j', (value, line, splice) => {
    expect(text.insertAfterLine(text.measure(value), line, 'A')).toEqual(splice)
  })
})
