import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  accepted,
  aged,
  applyPatch,
  attached,
  code,
  configure,
  created,
  edited,
  insert,
  madeBy,
  refusal,
  replace,
  restore,
  rethink,
  saw,
  undo,
} from '../../test/support/block-commands.js'
import { anyText, permutations } from '../../test/support/texts.js'
import type { BlockCommand } from './block-events.js'
import { LOOK_BACK_MAX } from './block-memory.js'
import type { BlockState } from './block-state.js'

const by = (n: number, state: BlockState) => saw(state, n)
/** Each command by an agent of its own, one after another. */
const grown = (state: BlockState, ...commands: readonly BlockCommand[]): BlockState =>
  commands.reduce((now, command, i) => edited(now, command, by(i + 1, now)), state)

describe('an undo', () => {
  it('of A, B or C by three agents keeps the other two, in every order and one after another', () => {
    const start = created('A\nB\nC')
    for (const order of permutations(['A', 'B', 'C'])) {
      const state = grown(start, ...order.map((letter) => replace(letter, `${letter}${letter}\n+`)))
      for (const back of permutations(order)) {
        const without = new Set<string>()
        let now = state
        for (const letter of back) {
          without.add(letter)
          now = edited(now, undo(2 + order.indexOf(letter)), by(9, now))
          const rows = ['A', 'B', 'C'].map((l) => (without.has(l) ? l : `${l}${l}\n+`))
          expect(now.value).toBe(rows.join('\n'))
        }
        expect(now.value).toBe(start.value)
        expect(now.version).toBe(7)
      }
    }
  })

  it('is an event of its own that says whose edit it took back', () => {
    const start = created('one')
    const state = grown(start, insert('two'), insert('three'))
    const receipt = {
      reverted: madeBy({ ...start, version: 2 } as BlockState, 'TextInserted', by(1, start)),
    }
    expect(accepted(state, undo(2), by(9, state))).toEqual({
      events: [
        {
          type: 'EditReverted',
          payload: {
            intent: { version: 2 },
            effect: [{ offset: 3, delete: 4, insert: '' }],
            receipt,
            length: 9,
          },
        },
      ],
      receipt,
    })
  })

  it.each<[name: string, from: string, commands: BlockCommand[], undone: string]>([
    ['an insert at the end', 'a', [insert('b\nc')], 'a'],
    ['an insert before the first line', 'a', [insert('b', 0)], 'a'],
    ['an insert into an empty block', '', [insert('b')], ''],
    ['an insert below which there is another', 'a', [insert('b'), insert('c')], 'a\nc'],
    ['an insert above which there is another', 'a\nz', [insert('b', 1), insert('c', 1)], 'a\nc\nz'],
    [
      'a replace, whatever came around it',
      'x a y',
      [replace('a', 'bb'), replace('x', 'xxx'), insert('z')],
      'xxx a y\nz',
    ],
    ['a replace of every place', 'a-a-a', [replace('a', 'bb', true)], 'a-a-a'],
    [
      'a replace of every place, with edits between',
      'a-a_a',
      [replace('a', 'bb', true), replace('-', '=='), replace('_', '')],
      'a==aa',
    ],
    [
      'a removal, before what was put there since',
      'abc',
      [replace('b', ''), replace('ac', 'aXc')],
      'conflict',
    ],
    [
      'a removal at the end, before what came there',
      'a\nb',
      [replace('\nb', ''), insert('c')],
      'a\nb\nc',
    ],
    [
      'a removal at the front, before what came there',
      'b\na',
      [replace('b\n', ''), insert('c', 0)],
      'b\nc\na',
    ],
    ['a removal of neighbouring places', 'xaay', [replace('a', '', true)], 'xaay'],
    [
      'an edit outside the first plane',
      '\u{1f600}a\u{1f601}',
      [replace('a', '\u{1f602}\u{1f602}'), insert('\u{1f603}', 0)],
      '\u{1f603}\n\u{1f600}a\u{1f601}',
    ],
  ])('of %s', (_name, from, commands, undone) => {
    const state = grown(created(from), ...commands)
    if (undone === 'conflict') return expect(code(state, undo(2))).toBe('revert_conflict')
    expect(edited(state, undo(2)).value).toBe(undone)
  })

  it.each<[name: string, from: string, patch: string[]]>([
    ['hunk after hunk', 'a\nb\nc\nd', ['@@', '-a', '+A', '@@', '-d', '+D']],
    ['hunks from the end to the front', 'a\nb\nc\nd', ['@@', '-d', '+D', '@@', '-a', '+A']],
    ['neighbours that go, the later first', '0\na\nb\nz', ['@@', '-b', '@@', '-a']],
    ['a hunk upon what another put in', 'x', ['@@', '-x', '+y', '@@', '-y', '+z']],
    [
      'a hunk across what two others put in',
      'a\nb\nc\nd',
      ['@@', '-b', '+B1', '+B2', '@@', '-d', '+D', '@@', ' B2', '-c', '-D', '+E'],
    ],
    [
      'a hunk within what another put in',
      'a',
      ['@@', '-a', '+1', '+2', '+3', '@@', ' 1', '-2', '+two', ' 3'],
    ],
  ])('of a patch gives the text before it: %s', (_name, from, patch) => {
    const start = created(from)
    const patched = edited(start, applyPatch(...patch))
    expect(patched.value).not.toBe(from)
    expect(edited(patched, undo(2)).value).toBe(from)
    const more = edited(edited(patched, insert('below')), insert('above', 0))
    expect(edited(more, undo(2)).value).toBe(`above\n${from}\nbelow`)
  })

  it('of an undo restores what it took back, again and again', () => {
    const state = grown(created('one\ntwo'), replace('one', 'ONE'), insert('three'))
    let now = state
    for (let i = 0; i < 6; i++) {
      now = edited(now, undo(i === 0 ? 2 : now.version))
      expect(now.value).toBe(i % 2 === 0 ? 'one\ntwo\nthree' : 'ONE\ntwo\nthree')
    }
  })

  it('of what somebody has changed again is refused: nothing changes, and who did is named', () => {
    const start = created('one two three')
    const first = edited(start, replace('two', 'TWO words'), by(1, start))
    const second = edited(first, replace('words', 'more'), by(2, first))
    const third = edited(second, insert('below'), by(3, second))
    const fourth = edited(third, replace('TWO', 'II'), by(4, third))
    expect(refusal(fourth, undo(2), by(9, fourth))).toEqual({
      code: 'revert_conflict',
      detail:
        'Version 2 cannot be undone by itself: what it wrote was changed again at version 3, 5',
      facts: {
        block_id: 'block-1',
        version: 2,
        versions: [3, 5],
        actors: [by(2, first).actor, by(4, third).actor],
        hunks: [
          {
            ...madeBy(second, 'TextReplaced', by(2, first)),
            edits: [{ line: 1, removed: 'words', added: 'more' }],
            more: 0,
          },
          {
            ...madeBy(fourth, 'TextReplaced', by(4, third)),
            edits: [{ line: 1, removed: 'TWO', added: 'II' }],
            more: 0,
          },
        ],
      },
      atVersion: 5,
    })
  })

  it('names those who changed it in the order of their versions, the newest twenty', () => {
    const start = created('a b')
    const wide = edited(start, replace('a b', 'cd efg'))
    const two = edited(edited(wide, replace('g', 'G')), replace('c', 'C'))
    const places = edited(created('a-a'), replace('a', 'xyz', true))
    const back = edited(edited(places, replace('-xyz', '-yz')), replace('xyz-', 'xy-'))
    expect(refusal(two, undo(2)).facts).toMatchObject({ versions: [3, 4] })
    expect(refusal(back, undo(2)).facts).toMatchObject({ versions: [3, 4] })
    let many = edited(created('0'), replace('0', '<0>'))
    for (let i = 0; i < 21; i++) many = edited(many, replace(`<${i}>`, `<${i + 1}>`))
    const { versions } = refusal(many, undo(2)).facts as { versions: number[] }
    expect(versions).toEqual(Array.from({ length: 20 }, (_, i) => i + 4))
  })

  it.each<[name: string, command: BlockCommand]>([
    ['what was before it', undo(0)],
    ['its creation', undo(1)],
    ['a change of settings', undo(2)],
    ['an attachment', undo(3)],
    ['the future', undo(5)],
  ])('of %s is refused', (_name, command) => {
    const set = edited(created('a'), configure({ description: 'd' }))
    const state = edited(attached(set, 1), insert('b'))
    const { version } = command as { version: number }
    expect(refusal(state, command)).toEqual({
      code: 'not_revertible',
      detail: `Version ${version} of block notes did not change the text of the block that was there`,
      facts: { block_id: 'block-1', version },
      atVersion: 4,
    })
    expect(edited(state, undo(4)).value).toBe('a')
  })

  it('of what lies too far back is refused', () => {
    const state = edited(created('a'), insert('b'))
    expect(refusal(aged(state, LOOK_BACK_MAX), undo(2))).toMatchObject({
      code: 'not_revertible',
      detail: 'Version 2 of block notes lies more than 10000 versions back',
    })
    expect(edited(aged(state, LOOK_BACK_MAX - 1), undo(2)).value).toBe('a')
  })

  it('is held to the limit', () => {
    const start = created('abcdef', { limit: 6 })
    const state = grown(start, replace('cdef', ''), insert('xy'))
    expect(refusal(state, undo(2))).toMatchObject({
      code: 'limit_exceeded',
      facts: { would_be: 9, over_by: 3, left: 1 },
    })
    expect(edited(grown(start, replace('cdef', ''), replace('b', '')), undo(2)).length).toBe(5)
    expect(edited(grown(start, replace('cdef', '')), undo(2)).length).toBe(6)
  })

  it('of any edit of any text alone gives the text before it', () => {
    fc.assert(
      fc.property(anyText, anyText, anyText, fc.boolean(), (from, old, to, all) => {
        const start = created(from)
        const command = replace(old, to, all)
        fc.pre(old !== '' && code(start, command) === null)
        const state = edited(start, command)
        fc.pre(state.version === 2)
        expect(edited(state, undo(2)).value).toBe(from)
      }),
    )
  })
})

describe('an undo of a whole text', () => {
  it.each([
    ['BlockRethought', rethink('ONE\n-\ntwo\n-\nthree')],
    ['BlockRestored', restore(1, 'ONE\n-\ntwo\n-\nthree')],
  ])('%s changes back the lines it changed, and keeps the later edits of others', (type, whole) => {
    const start = created('one\n-\ntwo\n-\nthree')
    const state = grown(start, whole, replace('three', 'THREE'), insert('four'))
    const decision = accepted(state, undo(2))
    expect(decision.receipt).toEqual({
      reverted: { version: 2, actor: by(1, start).actor, type },
      merged: true,
    })
    const undone = edited(state, undo(2))
    expect(undone.value).toBe('one\n-\ntwo\n-\nTHREE\nfour')
    expect(edited(undone, undo(5)).value).toBe(state.value)
  })

  it('whose lines were changed again is refused, with what each side made of them', () => {
    const start = created('one\ntwo')
    const state = grown(start, rethink('ONE\ntwo'), replace('ONE', 'Eins'), insert('z'))
    expect(refusal(state, undo(2))).toEqual({
      code: 'revert_conflict',
      detail:
        'Version 2 cannot be undone by itself: what it wrote was changed again at version 3, 4',
      facts: {
        block_id: 'block-1',
        version: 2,
        versions: [3, 4],
        actors: [by(2, start).actor, by(3, start).actor],
        hunks: [{ line: 1, base: 'ONE', mine: 'one', theirs: 'Eins' }],
      },
      atVersion: 4,
    })
  })

  it('that somebody has taken back by hand is nothing to do', () => {
    const state = grown(created('one\ntwo'), rethink('ONE\ntwo'), replace('ONE', 'one'))
    expect(accepted(state, undo(2))).toEqual({ events: [], receipt: null })
  })
})
