import { describe, expect, it } from '@jest/globals'
import { applyPatch } from 'diff'
import fc from 'fast-check'
import { fates, type PastEdit, unifiedDiff, wordHunks } from './diff.js'
import { apply, length, type Splice, slice } from './text.js'

const text = fc.string({
  unit: fc.constantFrom('a', 'b', ' ', '\n', 'é', '\u{1f600}'),
  maxLength: 30,
})

describe('the difference of two texts, in words', () => {
  it('turns one into the other, and says where each word stood and stands', () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        const hunks = wordHunks(before, after)
        const effect = hunks.map(({ from, to, added }): Splice => {
          return { offset: to.start, delete: from.end - from.start, insert: added }
        })
        expect(apply(before, effect)).toBe(after)
        for (const { from, to, removed, added, line } of hunks) {
          expect(slice(before, from.start, from.end)).toBe(removed)
          expect(slice(after, to.start, to.end)).toBe(added)
          expect(line).toBe(slice(after, 0, to.start).split('\n').length)
        }
      }),
    )
  })

  it('keeps whole words together, with a little of their line around them', () => {
    const [hunk, ...more] = wordHunks('a\nHQ: San Diego, CA\nz', 'a\nHQ: San Francisco, CA\nz')
    expect(more).toEqual([])
    expect(hunk).toMatchObject({ line: 2, removed: 'Diego', added: 'Francisco' })
    expect(hunk).toMatchObject({ before: 'HQ: San ', after: ', CA' })
  })

  it('is nothing between equal texts, and everything from and to nothing', () => {
    expect(wordHunks('a b', 'a b')).toEqual([])
    expect(wordHunks('', 'a b')).toMatchObject([{ line: 1, removed: '', added: 'a b' }])
    expect(wordHunks('a b', '')).toMatchObject([{ line: 1, removed: 'a b', added: '' }])
  })
})

describe('what became of an older text', () => {
  const edits = fc.array(fc.tuple(fc.nat(40), fc.nat(8), text), { maxLength: 8 })

  it('names for every character the edit that took it away, or none where it stands', () => {
    fc.assert(
      fc.property(text, edits, (before, wanted) => {
        type Mark = { goneBy: number | null }
        const marks = Array.from(before, (): Mark => ({ goneBy: null }))
        const now: Mark[] = [...marks]
        const done: PastEdit[] = []
        for (const [i, [at, count, insert]] of wanted.entries()) {
          const version = i + 2
          const offset = Math.min(at, now.length)
          const gone = Math.min(count, now.length - offset)
          const fresh = Array.from(insert, (): Mark => ({ goneBy: null }))
          for (const mark of now.splice(offset, gone, ...fresh)) mark.goneBy = version
          // Half of them as two splices, the second on the text after the first.
          const splice = { offset, delete: gone, insert }
          const twice = i % 2 === 1 && now.length > 0
          if (twice) for (const mark of now.splice(0, 1)) mark.goneBy = version
          done.unshift({
            version,
            effect: twice ? [splice, { offset: 0, delete: 1, insert: '' }] : [splice],
          })
        }
        const told = fates(now.length, done).flatMap(({ start, end, goneBy }) =>
          Array.from({ length: end - start }, () => goneBy),
        )
        expect(told).toEqual(marks.map((mark) => mark.goneBy))
      }),
    )
  })
})

describe('a unified diff', () => {
  it('is what patches one text into the other', () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        const patch = unifiedDiff({ name: 'a', value: before }, { name: 'b', value: after })
        if (before === after) expect(patch).toBe('')
        else expect(applyPatch(before, patch)).toBe(after)
      }),
    )
  })

  it('names both texts, and says where no line feed ends the last line', () => {
    const patch = unifiedDiff({ name: 'x@3', value: 'a\nb' }, { name: 'y@4', value: 'a\nc\n' })
    expect(patch.split('\n')).toEqual([
      ...['--- x@3', '+++ y@4', '@@ -1,2 +1,2 @@', ' a', '-b'],
      ...['\\ No newline at end of file', '+c', ''],
    ])
  })

  it('of texts that differ in thousands of lines tells them as wholes, and still patches', () => {
    const lines = (word: string): string =>
      Array.from({ length: 2_000 }, (_, i) => `${word} ${i}`).join('\n')
    const [before, after] = [`same\n${lines('old')}`, `same\n${lines('new')}`]
    const patch = unifiedDiff({ name: 'a', value: before }, { name: 'b', value: after })
    expect(patch.split('\n')[2]).toBe('@@ -2,2000 +2,2000 @@')
    expect(applyPatch(before, patch)).toBe(after)
    expect(length(patch)).toBeGreaterThan(length(before) + length(after))
  })
})
