import { describe, expect, it } from '@jest/globals'
import {
  applyPatch,
  created,
  edited,
  insert,
  replace,
  rethink,
  saw,
  undo,
} from '../../test/support/block-commands.js'
import type { BlockCommand } from './block-events.js'
import { changesSince } from './block-memory.js'
import { tellChanges } from './told-changes.js'

function told(value: string, commands: readonly BlockCommand[], lengthMax = 100) {
  const start = created(value)
  const state = commands.reduce((now, command) => edited(now, command, saw(now, 2)), start)
  return tellChanges(state, changesSince(state.memory, start.version), lengthMax)
}

describe('what somebody is told of changes', () => {
  it('is who made them, at which version, and what went and came in which line', () => {
    const { actor } = saw(created(''), 2)
    expect(told('one\ntwo', [insert('three'), replace('two', 'zwei'), insert('zero', 0)])).toEqual([
      {
        version: 2,
        actor,
        type: 'TextInserted',
        edits: [{ line: 3, removed: '', added: 'three' }],
        more: 0,
      },
      {
        version: 3,
        actor,
        type: 'TextReplaced',
        edits: [{ line: 2, removed: 'two', added: 'zwei' }],
        more: 0,
      },
      {
        version: 4,
        actor,
        type: 'TextInserted',
        edits: [{ line: 1, removed: '', added: 'zero' }],
        more: 0,
      },
    ])
  })

  it.each<[name: string, value: string, command: BlockCommand, edit: object]>([
    ['an insert into an empty block', '', insert('a'), { line: 1, removed: '', added: 'a' }],
    ['an insert of lines', 'a', insert('b\nc'), { line: 2, removed: '', added: 'b\nc' }],
    [
      'an insert that begins with a feed',
      'a',
      insert('\nb\n'),
      { line: 2, removed: '', added: '\nb' },
    ],
    [
      'a line that goes with the feed before it',
      'a\nb\nc',
      replace('\nb', ''),
      { line: 2, removed: 'b', added: '' },
    ],
    [
      'a line that goes with the feed behind it',
      'a\nb\nc',
      replace('b\n', ''),
      { line: 2, removed: 'b', added: '' },
    ],
    [
      'a line for a line with the feed before it',
      'a\nb',
      replace('\nb', ' c'),
      { line: 1, removed: 'b', added: ' c' },
    ],
    [
      'characters outside the first plane',
      '\u{1f600}\n\u{1f601}',
      replace('\u{1f601}', '\u{1f602}'),
      { line: 2, removed: '\u{1f601}', added: '\u{1f602}' },
    ],
  ])('of %s', (_name, value, command, edit) => {
    expect(told(value, [command])).toMatchObject([{ edits: [edit] }])
  })

  it('has each text shortened to the characters that are asked for', () => {
    expect(told('a', [insert('\u{1f600}'.repeat(6))], 5)).toMatchObject([
      { edits: [{ added: `${'\u{1f600}'.repeat(5)}…` }] },
    ])
    expect(told('abcdef', [replace('abcdef', 'x')], 5)).toMatchObject([
      { edits: [{ removed: 'abcde…' }] },
    ])
  })

  it('names the first three edits of a change, each in its line by then, and counts the others', () => {
    const [all] = told('a\na\na\na\na', [replace('a', 'b\nc', true)])
    expect(all?.edits).toEqual([1, 3, 5].map((line) => ({ line, removed: 'a', added: 'b\nc' })))
    expect(all?.more).toBe(2)
    const [patched] = told('a\nb\nc', [applyPatch('-a', '+A', '+A', '@@', '-c', '+C')])
    expect(patched).toMatchObject({
      edits: [{ line: 1 }, { line: 4, removed: 'c', added: 'C' }],
      more: 0,
    })
  })

  it('tells of a rewrite the words that changed, and of an undo what came back', () => {
    expect(told('the red fox\nran', [rethink('the blue fox\nran off'), undo(2)])).toMatchObject([
      {
        type: 'BlockRethought',
        edits: [
          { removed: 'red', added: 'blue' },
          { line: 2, added: ' off' },
        ],
      },
      {
        type: 'EditReverted',
        edits: [
          { removed: 'blue', added: 'red' },
          { removed: ' off', added: '' },
        ],
      },
    ])
  })
})
