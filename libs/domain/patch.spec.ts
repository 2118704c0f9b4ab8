import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { parseHunks, placesOf } from './patch.js'

const hunks = (...lines: readonly string[]) => {
  const parsed = parseHunks(lines.join('\n'))
  return parsed.ok ? parsed.value : parsed.rejection
}
const NOTHING = {
  code: 'invalid_argument',
  detail: 'No applicable hunks found in the patch',
  facts: { parameter: 'patch' },
}

describe('the hunks of a patch', () => {
  it('are what stays, goes and comes, from the line on at which each begins', () => {
    expect(
      hunks(
        '--- a/notes',
        '+++ b/notes',
        '@@ -1,2 +1,2 @@',
        ' one',
        '-two',
        '+TWO',
        '@@',
        '-x',
        '+y',
      ),
    ).toEqual([
      { line: 4, old: ['one', 'two'], new: ['one', 'TWO'] },
      { line: 8, old: ['x'], new: ['y'] },
    ])
  })

  it.each<[name: string, lines: string[], expected: object]>([
    ['without a header', [' a', '+b'], [{ line: 1, old: ['a'], new: ['a', 'b'] }]],
    ['that only add', ['+a', '+b'], [{ line: 1, old: [], new: ['a', 'b'] }]],
    ['that only remove', ['-a'], [{ line: 1, old: ['a'], new: [] }]],
    [
      'with an empty line that stays',
      ['-a', '', '-b'],
      [{ line: 1, old: ['a', '', 'b'], new: [''] }],
    ],
    ['with empty lines before them', ['', '', '-a'], [{ line: 3, old: ['a'], new: [] }]],
    [
      'with a feed at the end of the patch',
      ['-a', '+b', ''],
      [{ line: 1, old: ['a'], new: ['b'] }],
    ],
    [
      'with two at its end, of which one is a line',
      ['-a', '', ''],
      [{ line: 1, old: ['a', ''], new: [''] }],
    ],
    [
      'with lines that look like headers',
      ['@@', '--- a', '+++ b', '-c', '--- d', '+++ e'],
      [{ line: 4, old: ['c', '-- d'], new: ['++ e'] }],
    ],
    ['with removed dashes right away', ['---a', '+++b'], [{ line: 1, old: ['--a'], new: ['++b'] }]],
    ['between bare headers', ['---', '+++', '-a'], [{ line: 3, old: ['a'], new: [] }]],
    [
      'with a note of the tool',
      ['-a', '\\ No newline at end of file', '+b'],
      [{ line: 1, old: ['a'], new: ['b'] }],
    ],
    [
      'in the words of another format',
      ['*** Begin Patch', '-a', '+b', '*** End Patch'],
      [{ line: 2, old: ['a'], new: ['b'] }],
    ],
    [
      'after headers that follow each other',
      ['@@', '@@ x', '+a', '@@'],
      [{ line: 3, old: [], new: ['a'] }],
    ],
    [
      'with marks inside their lines',
      ['-a-b', '+ c+@@'],
      [{ line: 1, old: ['a-b'], new: [' c+@@'] }],
    ],
  ])('%s', (_name, lines, expected) => {
    expect(hunks(...lines)).toEqual(expected)
  })

  it.each([
    ['nothing', ['']],
    ['headers alone', ['--- a', '+++ b', '@@']],
    ['words alone', ['please change line 3']],
    ['empty lines alone', ['', '', '']],
  ])('are missed in %s', (_name, lines) => {
    expect(hunks(...lines)).toEqual(NOTHING)
  })

  it('give back the lines they were made of', () => {
    const line = fc.constantFrom('', 'a', '-', '+b', ' c', '@@', '\u{1f600}')
    const marked = fc.tuple(fc.constantFrom(' ', '-', '+'), line)
    fc.assert(
      fc.property(fc.array(fc.array(marked, { minLength: 1 }), { minLength: 1 }), (all) => {
        const patch = all.flatMap((lines) => ['@@', ...lines.map((pair) => pair.join(''))])
        fc.pre(all.every(([first]) => !/^(---|\+\+\+)( |$)/.test((first as string[]).join(''))))
        const of = (lines: (readonly [string, string])[], mark: string) =>
          lines.filter(([m]) => m !== mark).map(([, text]) => text)
        let line = 1
        expect(hunks(...patch)).toEqual(
          all.map((lines) => {
            const at = line + 1
            line = at + lines.length
            return { line: at, old: of(lines, '+'), new: of(lines, '-') }
          }),
        )
      }),
    )
  })
})

describe('the places of lines', () => {
  it.each([
    [
      ['a', 'b', 'a', 'b'],
      ['a', 'b'],
      [0, 2],
    ],
    [
      ['a', 'a', 'a'],
      ['a', 'a'],
      [0, 1],
    ],
    [['a', 'b'], ['b'], [1]],
    [['a', 'b'], ['a', 'b'], [0]],
    [['a'], ['a', 'b'], []],
    [['b', 'a', 'c'], ['a', 'b'], []],
    [[''], [''], [0]],
  ])('of %j: %j stand at %j', (all, wanted, places) => {
    expect(placesOf(all, wanted)).toEqual(places)
  })
})
