import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  accepted,
  applyPatch,
  code,
  created,
  edited,
  insert,
  receipt,
  refusal,
  saw,
} from '../../test/support/block-commands.js'
import { apply } from './text.js'

describe('a patch', () => {
  it('is one replace with a splice for every hunk that changes something', () => {
    const state = created('one\ntwo\nthree\nfour')
    const command = applyPatch(
      '@@',
      '-one',
      '+ONE',
      '@@',
      ' two',
      '@@',
      ' three',
      '-four',
      '+4',
      '+5',
    )
    const receipt = { matched: 'patch', places: 3, line: 1, unseen: [] }
    expect(accepted(state, command)).toEqual({
      events: [
        {
          type: 'TextReplaced',
          payload: {
            intent: { patch: (command as { patch: string }).patch },
            effect: [
              { offset: 0, delete: 3, insert: 'ONE' },
              { offset: 14, delete: 4, insert: '4\n5' },
            ],
            receipt,
            length: 17,
          },
        },
      ],
      receipt,
    })
    expect(edited(state, command).value).toBe('ONE\ntwo\nthree\n4\n5')
  })

  it.each([
    ['removes a line', 'a\nb\nc', ['-b'], 'a\nc'],
    ['removes the last line', 'a\nb', [' a', '-b'], 'a'],
    ['removes the only line', 'a', ['-a'], ''],
    ['adds below a line', 'a\nb', [' a', '+x'], 'a\nx\nb'],
    ['adds at the end', 'a', ['+x', '+y'], 'a\nx\ny'],
    ['adds to an empty block', '', ['+x', '+y'], 'x\ny'],
    ['works on what its earlier hunks made', 'a', ['-a', '+b', '@@', '-b', '+c'], 'c'],
    ['tells places apart by the lines around', 'a\nx\nb\nx', [' b', '-x', '+y'], 'a\nx\nb\ny'],
  ])('%s', (_name, value, patch, to) => {
    expect(edited(created(value), applyPatch(...patch)).value).toBe(to)
  })

  it('names the line at which it begins, and what its writer had not seen', () => {
    const start = created('a\nb')
    const changed = edited(start, insert('new', 0), saw(start, 2))
    expect(receipt(changed, applyPatch('-b', '+c'), saw(start))).toEqual({
      matched: 'patch',
      places: 1,
      line: 3,
      unseen: [2],
    })
  })

  it('that changes nothing is no event', () => {
    expect(accepted(created('a\nb'), applyPatch(' a', ' b'))).toEqual({ events: [], receipt: null })
  })

  it.each([
    ['nowhere', ['-zwei', '+x'], 'replace_no_match'],
    ['in more than one place', ['-two', '+x'], 'replace_ambiguous'],
    ['only before an earlier hunk', ['-one', '+x', '@@', '-one', '+y'], 'replace_no_match'],
  ])('of which a hunk fits %s is refused whole', (_name, patch, expected) => {
    const state = created('one\ntwo\ntwo')
    expect(code(state, applyPatch('@@', '-one', '+eins', '@@', ...patch))).toBe(expected)
  })

  it('says which hunk does not fit, and where it would nearly', () => {
    const long = `two${'!'.repeat(500)}`
    expect(
      refusal(created('one\ntwo\nthree'), applyPatch('@@', '-one', '+1', '@@', '-twos', '+2')),
    ).toEqual({
      code: 'replace_no_match',
      detail:
        'Patch failed: expected hunk context not found in memory block `notes` (the hunk at line 5 of the patch).',
      facts: {
        block_id: 'block-1',
        hunk: 'twos',
        patch_line: 5,
        nearest: [{ line: 2, similarity: 0.67, text: 'two' }],
      },
      atVersion: 1,
    })
    expect(refusal(created('one'), applyPatch(`-${long}`, ' one')).facts.hunk).toBe(
      `${long.slice(0, 400)}…`,
    )
    expect(refusal(created('two\ntwo'), applyPatch('-two', '+2'))).toEqual({
      code: 'replace_ambiguous',
      detail:
        'Patch failed: the hunk at line 1 of the patch matched multiple places. Give it more lines of context.',
      facts: { block_id: 'block-1', hunk: 'two', patch_line: 1, match_count: 2 },
      atVersion: 1,
    })
    expect(code(created('a'), applyPatch('no hunk'))).toBe('invalid_argument')
  })

  it('is held to the limit by what it comes to', () => {
    const state = created('a\nb', { limit: 4 })
    expect(edited(state, applyPatch('-a', '+aaaa', '@@', '-b', '@@', ' aaaa')).value).toBe('aaaa')
    expect(refusal(state, applyPatch('-a', '+aaa')).facts).toMatchObject({
      would_be: 5,
      over_by: 1,
      left: 1,
    })
  })

  it('made of any change of lines that stand once gives the changed lines', () => {
    const rows = fc.uniqueArray(
      fc.string({ unit: fc.constantFrom('a', 'b', '\u{1f600}', ' '), maxLength: 4 }),
      { minLength: 1, maxLength: 8 },
    )
    const to = fc.array(fc.constantFrom('x', '', '\u{1f601}'), { maxLength: 3 })
    fc.assert(
      fc.property(rows, fc.nat(), fc.nat(), to, (all, a, b, added) => {
        const value = all.join('\n')
        const at = a % all.length
        const count = 1 + (b % (all.length - at))
        const changed = [...all.slice(0, at), ...added, ...all.slice(at + count)].join('\n')
        const gone = all.slice(at, at + count).map((row) => `-${row}`)
        const command = applyPatch('@@', ...gone, ...added.map((row) => `+${row}`), '@@')
        const state = created(value)
        expect(edited(state, command).value).toBe(changed)
        const effect = accepted(state, command).events[0]?.payload.effect ?? []
        expect(apply(value, effect)).toBe(changed)
      }),
    )
  })
})
