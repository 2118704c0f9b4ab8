import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { anyText, effectOn, someText, wantedEdits } from '../../test/support/texts.js'
import { type CarriedSpan, carry, carryLineStart, type Span, spanOf } from './place.js'
import { apply, lineAt, lineStart, lines, type Splice, slice } from './text.js'

/** Follows a span the long way: every character of the text knows if it belongs to it. */
function followed({ start, end }: Span, value: string, splice: Splice): CarriedSpan {
  const { offset, delete: count, insert } = splice
  const characters = [...value].map((_, i) => i >= start && i < end)
  const hit = characters.slice(offset, offset + count).includes(true)
  const amidst = offset > start && offset < end
  const whole = offset >= start && offset + count <= end
  const belongs = whole && (hit || amidst)
  characters.splice(offset, count, ...[...insert].map(() => belongs))
  const touched = hit || amidst
  const first = characters.indexOf(true)
  if (first >= 0) return { start: first, end: characters.lastIndexOf(true) + 1, touched }
  const point = offset >= start ? offset : offset + [...insert].length
  return { start: point, end: point, touched }
}

describe('a span carried through an effect', () => {
  it('holds the characters that survive of it, and what was put in the midst of it', () => {
    fc.assert(
      fc.property(
        someText,
        fc.nat(),
        fc.nat(),
        fc.nat(30),
        fc.nat(8),
        anyText,
        (value, a, b, at, n, insert) => {
          const points = [...value].length
          const start = a % points
          const span = { start, end: start + 1 + (b % (points - start)) }
          const [splice] = effectOn(value, [[at, n, insert]]) as [Splice]
          expect(carry(span, [splice])).toEqual(followed(span, value, splice))
        },
      ),
    )
  })

  it.each([
    ['what is put right there stands behind it', { offset: 3, delete: 0, insert: 'xy' }, 3, false],
    ['what goes right behind it leaves it', { offset: 3, delete: 2, insert: 'x' }, 3, false],
    ['what goes right before it shifts it', { offset: 1, delete: 2, insert: 'x' }, 2, false],
    ['what is put further before shifts it', { offset: 2, delete: 0, insert: 'xy' }, 5, false],
    [
      'what goes around it takes it behind the new text',
      { offset: 2, delete: 2, insert: 'xyz' },
      5,
      true,
    ],
    ['what comes later leaves it', { offset: 4, delete: 1, insert: '' }, 3, false],
  ])('of a point: %s', (_name, splice, point, touched) => {
    expect(carry({ start: 3, end: 3 }, [splice])).toEqual({ start: point, end: point, touched })
  })

  it('is carried through splice after splice, and stays touched', () => {
    fc.assert(
      fc.property(anyText, wantedEdits, fc.nat(20), fc.nat(10), (value, wanted, start, size) => {
        const effect = effectOn(value, wanted)
        let step: CarriedSpan = { start, end: start + size, touched: false }
        for (const splice of effect) {
          const { touched, ...span } = carry(step, [splice])
          step = { ...span, touched: step.touched || touched }
        }
        expect(carry({ start, end: start + size }, effect)).toEqual(step)
      }),
    )
  })

  it('reads the same as before when nothing touched it', () => {
    fc.assert(
      fc.property(someText, wantedEdits, fc.nat(), fc.nat(), (value, wanted, a, b) => {
        const points = [...value].length
        const start = a % points
        const end = start + 1 + (b % (points - start))
        const effect = effectOn(value, wanted)
        const carried = carry({ start, end }, effect)
        fc.pre(!carried.touched)
        expect(slice(apply(value, effect), carried.start, carried.end)).toBe(
          slice(value, start, end),
        )
      }),
    )
  })

  it('of a splice is the text it put in', () => {
    expect(spanOf({ offset: 4, delete: 9, insert: 'e\u0301\u{1f600}' })).toEqual({
      start: 4,
      end: 7,
    })
  })
})

describe('the start of a line carried through an effect', () => {
  /** What may happen to a text of lines, each with a name of its own, and what becomes of the names. */
  const change = fc.record({
    kind: fc.constantFrom('insert' as const, 'remove' as const, 'rewrite' as const),
    line: fc.nat(),
    rows: fc.integer({ min: 1, max: 3 }),
  })

  it('stays with its line, whatever lines come, go and are rewritten around it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.nat(),
        fc.array(change, { maxLength: 6 }),
        (count, mine, changes) => {
          let rows = Array.from({ length: count }, (_, i) => `line ${i}`)
          const name = rows[mine % count] as string
          let start = lineStart(rows.join('\n'), (mine % count) + 1)
          changes.forEach(({ kind, line, rows: height }, i) => {
            const value = rows.join('\n')
            const added = Array.from({ length: height }, (_, k) => `new ${i}/${k}`)
            const at = line % rows.length
            let splice: Splice
            if (kind === 'insert') {
              const below = line % (rows.length + 1)
              splice =
                below === 0
                  ? { offset: 0, delete: 0, insert: `${added.join('\n')}\n` }
                  : {
                      offset: rows.slice(0, below).join('\n').length,
                      delete: 0,
                      insert: `\n${added.join('\n')}`,
                    }
              rows = [...rows.slice(0, below), ...added, ...rows.slice(below)]
            } else {
              const row = rows[at] as string
              if (row === name) return
              const offset = lineStart(value, at + 1)
              const last = at === rows.length - 1
              const text = kind === 'remove' ? '' : added.join('\n')
              splice =
                kind === 'rewrite'
                  ? { offset, delete: row.length, insert: text }
                  : { offset: last ? offset - 1 : offset, delete: row.length + 1, insert: '' }
              rows = [
                ...rows.slice(0, at),
                ...(kind === 'remove' ? [] : added),
                ...rows.slice(at + 1),
              ]
            }
            expect(apply(value, [splice])).toBe(rows.join('\n'))
            start = carryLineStart(start, [splice])
          })
          const value = rows.join('\n')
          expect(lines(value)[lineAt(value, start) - 1]).toBe(name)
          expect(start).toBe(lineStart(value, rows.indexOf(name) + 1))
        },
      ),
    )
  })

  it.each([
    ['an edit further on leaves it', { offset: 5, delete: 3, insert: 'x' }, 4],
    ['a text put at its very start stands above it', { offset: 4, delete: 0, insert: 'ab\n' }, 7],
    ['an edit that begins with it keeps to its start', { offset: 4, delete: 2, insert: 'xyz' }, 4],
    ['an edit that ends right before it shifts it', { offset: 1, delete: 3, insert: 'x' }, 2],
    [
      'an edit that takes its start away leaves it where that began',
      { offset: 2, delete: 4, insert: 'xyz' },
      2,
    ],
  ])('%s', (_name, splice, start) => {
    expect(carryLineStart(4, [splice])).toBe(start)
  })

  it.each([
    ['a line below an empty one leaves that', 4, { offset: 4, delete: 0, insert: '\nx' }, 4],
    ['also when it ends with an empty line', 4, { offset: 4, delete: 0, insert: '\nx\n' }, 4],
    ['a line further up shifts it', 4, { offset: 2, delete: 0, insert: '\nx' }, 6],
    ['a word put at its very start shifts it', 4, { offset: 4, delete: 0, insert: 'x' }, 5],
    ['a line above the first shifts that', 0, { offset: 0, delete: 0, insert: 'x\n' }, 2],
    ['also when it begins with an empty line', 0, { offset: 0, delete: 0, insert: '\nx\n' }, 3],
    [
      'a line below a first one that is empty leaves that',
      0,
      { offset: 0, delete: 0, insert: '\nx' },
      0,
    ],
  ])('%s', (_name, start, splice, now) => {
    expect(carryLineStart(start, [splice])).toBe(now)
  })

  it('is carried through splice after splice', () => {
    const above = { offset: 0, delete: 0, insert: 'a\n' }
    expect(carryLineStart(4, [above, { offset: 6, delete: 1, insert: '' }, above])).toBe(8)
  })
})
