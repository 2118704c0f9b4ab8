import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { permutations } from '../../test/support/texts.js'
import { mergeLines } from './merge.js'

const line = fc.constantFrom('', 'a', 'b', 'c', 'd', '\u{1f600}', 'e\r')
const text = fc.array(line, { minLength: 1, maxLength: 8 }).map((all) => all.join('\n'))
const clean = (value: string) => ({ ok: true, text: value })

/** Named lines of a base, each changed, removed, followed by new ones, or left alone. */
const rows = fc.integer({ min: 3, max: 12 })
const touch = fc.record({
  row: fc.nat(),
  to: fc.constantFrom<((row: string) => string[])[]>(
    (row) => [`${row} changed`],
    () => [],
    (row) => [row, 'added', 'below'],
    (row) => ['above', row],
  ),
})

describe('a merge of lines', () => {
  it('of a side that changed nothing is the other side', () => {
    fc.assert(
      fc.property(text, text, (base, x) => {
        expect(mergeLines(base, base, x)).toEqual(clean(x))
        expect(mergeLines(base, x, base)).toEqual(clean(x))
        expect(mergeLines(base, x, x)).toEqual(clean(x))
      }),
    )
  })

  it('comes to the same whoever is called mine', () => {
    fc.assert(
      fc.property(text, text, text, (base, mine, theirs) => {
        const there = mergeLines(base, mine, theirs)
        const back = mergeLines(base, theirs, mine)
        if (there.ok) return expect(back).toEqual(there)
        const swapped = there.conflicts.map((c) => ({ ...c, mine: c.theirs, theirs: c.mine }))
        expect(back).toEqual({ ok: false, conflicts: swapped })
      }),
    )
  })

  it('holds both changes where a line between them stands untouched', () => {
    fc.assert(
      fc.property(rows, touch, touch, (count, one, other) => {
        const base = Array.from({ length: count }, (_, i) => `row ${i}`)
        const a = one.row % count
        const b = other.row % count
        fc.pre(Math.abs(a - b) > 1)
        const made = (at: number, to: (row: string) => string[], from: string[][]) =>
          from.map((all, i) => (i === at ? to(all[0] as string) : all))
        const start = base.map((row) => [row])
        const mine = made(a, one.to, start).flat().join('\n')
        const theirs = made(b, other.to, start).flat().join('\n')
        const both = made(b, other.to, made(a, one.to, start))
          .flat()
          .join('\n')
        expect(mergeLines(base.join('\n'), mine, theirs)).toEqual(clean(both))
      }),
    )
  })

  it('names every conflict with its line and what each side made of it', () => {
    const base = '1\n2\n3\n4\n5\n6\n7'
    const mine = '1\nmine\n3\n4\nboth\n6\n7 mine\n8'
    const theirs = '1\ntheirs\n3\n4\nboth\n6'
    expect(mergeLines(base, mine, theirs)).toEqual({
      ok: false,
      conflicts: [
        { line: 2, base: '2', mine: 'mine', theirs: 'theirs' },
        { line: 7, base: '7', mine: '7 mine\n8', theirs: '' },
      ],
    })
  })

  it.each([
    ['the same line', '1\nA\n3', '1\nB\n3', { line: 2, base: '2', mine: 'A', theirs: 'B' }],
    [
      'neighbouring lines',
      'A\n2\n3',
      '1\nB\n3',
      { line: 1, base: '1\n2', mine: 'A\n2', theirs: '1\nB' },
    ],
    [
      'one place to insert at',
      '1\nA\n2\n3',
      '1\nB\n2\n3',
      { line: 2, base: '', mine: 'A', theirs: 'B' },
    ],
    [
      'a line that the other removed',
      '1\nA\n3',
      '1\n3',
      { line: 2, base: '2', mine: 'A', theirs: '' },
    ],
    [
      'a stretch within the other',
      'A\nB\nC',
      '1\nX\n3',
      { line: 1, base: '1\n2\n3', mine: 'A\nB\nC', theirs: '1\nX\n3' },
    ],
  ])('two changes of %s are a conflict', (_name, mine, theirs, conflict) => {
    expect(mergeLines('1\n2\n3', mine, theirs)).toEqual({ ok: false, conflicts: [conflict] })
  })

  it('counts a change that both made once, beside what only one did', () => {
    expect(mergeLines('1\n2\n3\n4\n5', '1\nX\n3\n4\n5', '1\nX\n3\n4\nY')).toEqual(
      clean('1\nX\n3\n4\nY'),
    )
  })

  it('of three changes of three lines is the same in any order', () => {
    const base = ['a', '-', 'b', '-', 'c'].join('\n')
    for (const order of permutations(['a', 'b', 'c'])) {
      const value = order.reduce((now, row) => {
        const merged = mergeLines(base, base.replace(row, row.toUpperCase()), now)
        return merged.ok ? merged.text : 'conflict'
      }, base)
      expect(value).toBe('A\n-\nB\n-\nC')
    }
  })

  it('of texts that differ in more lines than anybody should wait for is one conflict', () => {
    const many = (name: string) => Array.from({ length: 600 }, (_, i) => `${name} ${i}`).join('\n')
    const base = many('base')
    const conflict = { line: 1, base, mine: many('mine'), theirs: many('theirs') }
    expect(mergeLines(base, conflict.mine, conflict.theirs)).toEqual({
      ok: false,
      conflicts: [conflict],
    })
    const slight = `${base}\nmore`
    expect(mergeLines(base, conflict.mine, slight)).toMatchObject({
      ok: false,
      conflicts: [{ line: 1, theirs: slight }],
    })
    expect(mergeLines(base, slight, conflict.theirs)).toMatchObject({
      ok: false,
      conflicts: [{ line: 1, mine: slight }],
    })
    for (const [mine, theirs] of [
      [base, many('x')],
      [many('x'), base],
      [many('x'), many('x')],
    ]) {
      expect(mergeLines(base, mine as string, theirs as string)).toEqual(clean(many('x')))
    }
  })
})
