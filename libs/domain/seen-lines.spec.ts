import { describe, expect, it } from '@jest/globals'
import {
  applyPatch,
  blind,
  created,
  edited,
  insert,
  replace,
  rethink,
  saw,
} from '../../test/support/block-commands.js'
import type { BlockCommand } from './block-events.js'
import { linesNow } from './seen-lines.js'

const LIST = 'milk\nbread\neggs'

/** Where the command of somebody who saw `value` is about, after others have made these changes. */
function places(value: string, changes: readonly BlockCommand[], command: BlockCommand): number[] {
  const seen = created(value)
  const now = changes.reduce((block, change) => edited(block, change, saw(block, 2)), seen)
  return linesNow(now, command, saw(seen))
}

describe('the lines of a text, as it is now, that a command was about', () => {
  it.each<[name: string, changes: BlockCommand[], command: BlockCommand, lines: number[]]>([
    [
      'the very same line, and where it was carried to',
      [insert('tea', 0)],
      replace('bread', 'rye'),
      [3, 3],
    ],
    [
      'the line that begins most like it',
      [replace('bread', 'brea cake')],
      replace('bread', 'rye'),
      [2, 2],
    ],
    [
      'of two that begin like it the one that shares more',
      [replace('milk', 'brew'), replace('bread', 'breast')],
      replace('bread', 'rye'),
      [2, 2],
    ],
    [
      'no line that shares only two characters',
      [replace('bread', 'brim')],
      replace('bread', 'rye'),
      [2],
    ],
    [
      'no line that shares only the end',
      [replace('bread', 'flatbread')],
      replace('bread\n', 'rye\n'),
      [2],
    ],
    [
      'the place alone of a line that is gone',
      [replace('bread\n', '')],
      replace('bread', 'rye'),
      [2],
    ],
    ['the line an insert names by its number', [insert('tea', 0)], insert('x', 2), [3, 3]],
    ['nothing of an insert at the end', [insert('tea', 0)], insert('x'), []],
    ['nothing of a replacement of nothing', [insert('tea', 0)], replace('', 'x'), []],
    ['nothing of a rethink', [insert('tea', 0)], rethink('x'), []],
  ])('are %s', (_name, changes, command, lines) => {
    expect(places(LIST, changes, command)).toEqual(lines)
  })

  it('are at most three of each', () => {
    const five = 'a 1\na 2\na 3\na 4\na 5'
    expect(places(five, [insert('b', 0)], replace('a ', 'c '))).toEqual([2, 3, 4, 2, 3, 4])
  })

  it('are found by the words of the command where they never stood in the text its writer saw', () => {
    expect(places(LIST, [insert('tea\ncoffee', 0)], replace('coffee\nmilk', 'x'))).toEqual([2])
    expect(places(LIST, [insert('tea\ncoffee', 0)], replace('\nmilk', 'x'))).toEqual([])
    const patch = '@@ -1,2 +1,2 @@\n-bread\n+rye\n eggs\n'
    expect(places(LIST, [insert('tea', 0)], applyPatch(patch))).toEqual([3])
    expect(places(LIST, [insert('tea', 0)], applyPatch('nonsense'))).toEqual([])
  })

  it('are found by words alone for a writer of whom nobody knows what it saw', () => {
    const block = edited(created(LIST), insert('tea', 0), saw(created(LIST), 2))
    expect(linesNow(block, replace('bread', 'rye'), blind)).toEqual([3])
    expect(linesNow(block, insert('x', 2), blind)).toEqual([])
  })
})
