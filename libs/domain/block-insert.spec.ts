import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  accepted,
  code,
  created,
  edited,
  insert,
  insertOnce,
  receipt,
  refusal,
  saw,
} from '../../test/support/block-commands.js'
import { anyText, permutations } from '../../test/support/texts.js'

/** A line of the text everybody had read, or of an insert. */
interface Row {
  readonly text: string
  readonly base?: number
}

/** The text as a list of rows: an insert goes whole below its row, wherever that stands. */
function added(rows: readonly Row[], text: string, line: number | null): Row[] {
  const block = text.split('\n').map((row) => ({ text: row }))
  if (line === 0) return [...block, ...rows]
  const at = line === null ? -1 : rows.findIndex(({ base }) => base === line)
  return at < 0 ? [...rows, ...block] : [...rows.slice(0, at + 1), ...block, ...rows.slice(at + 1)]
}

const base = fc.array(fc.constantFrom('', 'a', 'b', '\u{1f600}'), { maxLength: 4 })
const piece = fc
  .array(fc.constantFrom('', 'x', 'y', 'e\u0301', '\u{1f600}\r'), { minLength: 1, maxLength: 3 })
  .map((rows) => rows.join('\n'))
  .filter((text) => text !== '')
const asked = fc.record({ text: piece, line: fc.option(fc.nat(), { nil: null }) })

describe('inserts at the same time', () => {
  const numbered = <T extends { text: string }>(all: readonly T[]) =>
    all.map((one, i) => ({ ...one, text: `${one.text}#${i}` }))

  it('all stand, each as one piece below its line, in every order in which they may commit', () => {
    fc.assert(
      fc.property(base, fc.array(asked, { minLength: 1, maxLength: 4 }), (rows, wanted) => {
        const value = rows.join('\n')
        const start = created(value)
        const count = value.split('\n').length
        const all = numbered(wanted).map(({ text, line }) => ({
          text,
          line: line === null ? null : line % (count + 1),
        }))
        const first: Row[] =
          value === '' ? [] : value.split('\n').map((text, i) => ({ text, base: i + 1 }))
        for (const order of permutations(all)) {
          let expected = first
          let state = start
          order.forEach(({ text, line }, i) => {
            state = edited(state, insert(text, line ?? undefined), saw(start, i))
            expected = added(expected, text, line)
            expect(state.value).toBe(expected.map((row) => row.text).join('\n'))
          })
        }
      }),
    )
  })

  it('at the end stand in the order of their commits, over the same prefix, for all 720 orders of six', () => {
    fc.assert(
      fc.property(anyText, fc.array(piece, { minLength: 6, maxLength: 6 }), (prefix, pieces) => {
        const start = created(prefix)
        const texts = numbered(pieces.map((text) => ({ text }))).map(({ text }) => text)
        for (const order of permutations(texts)) {
          const state = order.reduce((s, text, i) => edited(s, insert(text), saw(start, i)), start)
          expect(state.value).toBe([...(prefix === '' ? [] : [prefix]), ...order].join('\n'))
          expect(state.version).toBe(7)
        }
      }),
      { numRuns: 2 },
    )
  })

  it('are refused by the limit alone, which says how much is left', () => {
    const start = created('1234', { limit: 9 })
    const first = edited(start, insert('56'), saw(start, 1))
    expect(refusal(first, insert('890'), saw(start, 2))).toEqual({
      code: 'limit_exceeded',
      detail: 'Edit failed: Exceeds 9 character limit (requested 11)',
      facts: { block_id: 'block-1', limit: 9, would_be: 11, over_by: 2, left: 2 },
      atVersion: 2,
    })
    expect(edited(first, insert('9'), saw(start, 2)).value).toBe('1234\n56\n9')
    const over = { ...first, settings: { ...first.settings, limit: 3 } }
    expect(refusal(over, insert('9')).facts).toMatchObject({ left: 0 })
  })
})

describe('an insert', () => {
  it.each<
    [
      value: string,
      text: string,
      line: number | undefined,
      to: string,
      effect: object,
      told: object,
    ]
  >([
    [
      '',
      'A',
      undefined,
      'A',
      { offset: 0, delete: 0, insert: 'A' },
      { placed: 'end', line: 1, lines: 1 },
    ],
    ['', 'A', 0, 'A', { offset: 0, delete: 0, insert: 'A' }, { placed: 'line', line: 1, lines: 1 }],
    [
      '',
      'A\nB',
      1,
      'A\nB',
      { offset: 0, delete: 0, insert: 'A\nB' },
      { placed: 'line', line: 1, lines: 2 },
    ],
    [
      'one',
      'A',
      undefined,
      'one\nA',
      { offset: 3, delete: 0, insert: '\nA' },
      { placed: 'end', line: 2, lines: 1 },
    ],
    [
      'one\n',
      'A',
      undefined,
      'one\n\nA',
      { offset: 4, delete: 0, insert: '\nA' },
      { placed: 'end', line: 3, lines: 1 },
    ],
    [
      'one\ntwo',
      'A',
      0,
      'A\none\ntwo',
      { offset: 0, delete: 0, insert: 'A\n' },
      { placed: 'line', line: 1, lines: 1 },
    ],
    [
      'one\ntwo',
      'A\nB',
      1,
      'one\nA\nB\ntwo',
      { offset: 3, delete: 0, insert: '\nA\nB' },
      { placed: 'line', line: 2, lines: 2 },
    ],
    [
      '\u{1f600}\ntwo',
      'A',
      2,
      '\u{1f600}\ntwo\nA',
      { offset: 5, delete: 0, insert: '\nA' },
      { placed: 'line', line: 3, lines: 1 },
    ],
    [
      'one\ntwo',
      ' ',
      1,
      'one\n \ntwo',
      { offset: 3, delete: 0, insert: '\n ' },
      { placed: 'line', line: 2, lines: 1 },
    ],
  ])('into %j of %j at %j', (value, text, line, to, effect, told) => {
    const state = created(value)
    const { events, receipt } = accepted(state, insert(text, line))
    expect(receipt).toEqual(told)
    expect(events).toEqual([
      {
        type: 'TextInserted',
        payload: {
          intent: { text, place: line === undefined ? { at: 'end' } : { at: 'line', line } },
          effect: [effect],
          receipt: told,
          length: [...to].length,
        },
      },
    ])
    expect(edited(state, insert(text, line)).value).toBe(to)
  })

  it.each([
    ['one\ntwo', 3, 2],
    ['one\ntwo', -2, 2],
    ['', 2, 1],
  ])('into %j at line %i is out of range', (value, line, count) => {
    const state = created(value)
    const rejection = {
      code: 'line_out_of_range',
      detail: `Invalid \`insert_line\` parameter: ${line}. It should be within the range of lines of the memory block: [0, ${count}], or -1 to append to the end of the memory block.`,
      facts: { block_id: 'block-1', line, line_count: count, counted_at: 1 },
      atVersion: 1,
    }
    expect(refusal(state, insert('A', line))).toEqual(rejection)
    expect(refusal(state, insert('A', line), saw(state))).toEqual(rejection)
    const longer = edited(state, insert('1\n2\n3\n4'))
    expect(refusal(longer, insert('A', line), saw(state))).toEqual({ ...rejection, atVersion: 2 })
  })
})

describe('an insert of a line that must stand once', () => {
  it('does nothing where the very line stands already', () => {
    const state = created('one\ntwo')
    expect(edited(state, insertOnce('two'))).toEqual(state)
    expect(receipt(state, insertOnce('two'))).toEqual({ existing_line: 2 })
    expect(edited(created('one\ntwo', { limit: 7 }), insertOnce('one')).version).toBe(1)
  })

  it('adds what is only part of a line, and what stands nowhere', () => {
    const state = edited(created('one two'), insertOnce('two'))
    expect(state.value).toBe('one two\ntwo')
    expect(edited(created(''), insertOnce('two')).value).toBe('two')
  })

  it('from two writers at once stands once', () => {
    const start = created('tasks')
    const first = edited(start, insertOnce('- tidy'), saw(start, 1))
    const second = edited(first, insertOnce('- tidy'), saw(start, 2))
    expect([second.value, second.version]).toEqual(['tasks\n- tidy', 2])
  })

  it('is still judged by its place', () => {
    expect(
      code(created('a'), { ...insertOnce('a'), place: { at: 'line', line: 7 } } as never),
    ).toBe('line_out_of_range')
  })
})
