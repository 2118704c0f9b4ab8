import { describe, expect, it } from '@jest/globals'
import {
  accepted,
  aged,
  blind,
  code,
  created,
  edited,
  insert,
  madeBy,
  now,
  receipt,
  refusal,
  replace,
  rethink,
  saw,
  undo,
} from '../../test/support/block-commands.js'
import type { BlockPolicies } from './block-events.js'
import { LOOK_BACK_MAX } from './block-memory.js'
import type { BlockState } from './block-state.js'

const policies: BlockPolicies['replace'][] = ['text', 'strict']
const started = (value: string, policy: BlockPolicies['replace']) =>
  created(value, { policies: { replace: policy } })

describe.each(policies)('with the policy %s', (policy) => {
  const expectRefused = (state: BlockState, writer: ReturnType<typeof saw>) =>
    expect(refusal(state, replace('red', 'blue'), writer))

  it('1 a text where its writer saw it is exact, and what was not seen is named', () => {
    const start = started('a\nred\nb', policy)
    const above = edited(start, insert('new', 0), saw(start, 2))
    const around = edited(above, replace('b', 'c'), saw(start, 2))
    expect(receipt(around, replace('red', 'blue'), saw(start))).toEqual({
      matched: 'exact',
      places: 1,
      line: 3,
      unseen: [2, 3],
    })
    expect(edited(around, replace('red', 'blue'), saw(start)).value).toBe('new\na\nblue\nc')
    expect(
      receipt(around, replace('red', 'blue'), { ...saw(start), runId: 'run-2' }),
    ).toMatchObject({ unseen: [] })
    expect(receipt(around, replace('red', 'blue'), blind)).toMatchObject({
      matched: 'exact',
      unseen: [],
    })
  })

  it('2 a text that now stands elsewhere is relocated, or refused where the place counts', () => {
    const start = started('red\nb', policy)
    const gone = edited(start, replace('red', 'green'), saw(start, 2))
    const again = edited(gone, insert('red'), saw(start, 3))
    const writer = saw(start)
    if (policy === 'text') {
      expect(receipt(again, replace('red', 'blue'), writer)).toEqual({
        matched: 'relocated',
        places: 1,
        line: 3,
        unseen: [2, 3],
      })
      expect(edited(again, replace('red', 'blue'), writer).value).toBe('green\nb\nblue')
    } else {
      expectRefused(again, writer).toMatchObject({
        code: 'stale_base',
        atVersion: 3,
        facts: { base_version: 1, unseen: [2, 3], unseen_count: 2, current: 'green\nb\nred' },
      })
    }
    expect(receipt(again, replace('red', 'blue'), blind)).toMatchObject({ matched: 'exact' })
  })

  it('2 a text that was not there when its writer looked is relocated too', () => {
    const start = started('a', policy)
    const came = edited(start, insert('red'), saw(start, 2))
    expect(code(came, replace('red', 'blue'), saw(start))).toBe(
      policy === 'text' ? null : 'stale_base',
    )
    if (policy === 'text') {
      expect(receipt(came, replace('red', 'blue'), saw(start))).toMatchObject({
        matched: 'relocated',
        line: 2,
      })
    }
    expect(receipt(came, replace('red', 'blue'), saw(came))).toMatchObject({ matched: 'exact' })
  })

  it('2 one of several that its writer saw, and the last that is left, is exact', () => {
    const start = started('red\nred', policy)
    const left = edited(start, rethink('x red'), saw(start, 2))
    const first = edited(start, replace('red\nred', 'red\ngreen'), saw(start, 2))
    expect(receipt(left, replace('red', 'blue'), saw(start))).toMatchObject({ matched: 'exact' })
    expect(code(first, replace('red', 'blue'), saw(start))).toBe(
      policy === 'text' ? null : 'stale_base',
    )
    const other = edited(started('red\nred\n', policy), insert('z'))
    const kept = edited(other, rethink('red\nz'), saw(other, 2))
    expect(kept.value).toBe('red\nz')
    expect(receipt(kept, replace('red', 'blue'), saw(other))).toMatchObject({
      matched: 'exact',
      line: 1,
    })
  })

  it("3 a newcomer's copy does not break a correct edit", () => {
    const start = started('red\nb', policy)
    const copied = edited(start, insert('red', 0), saw(start, 2))
    expect(receipt(copied, replace('red', 'blue'), saw(start))).toEqual({
      matched: 'tracked',
      places: 1,
      line: 2,
      unseen: [2],
    })
    expect(edited(copied, replace('red', 'blue'), saw(start)).value).toBe('red\nblue\nb')
    for (const writer of [blind, saw(copied)])
      expectRefused(copied, writer as never).toMatchObject({ code: 'replace_ambiguous' })
  })

  it('3 of several that its writer saw none is chosen, and none whose place was touched', () => {
    const two = started('red\nred', policy)
    const more = edited(two, insert('x'), saw(two, 2))
    expectRefused(more, saw(two)).toMatchObject({
      code: 'replace_ambiguous',
      facts: { match_count: 2 },
    })
    const one = edited(two, replace('red\n', 'green\n'), saw(two, 2))
    const back = edited(one, insert('red'), saw(two, 3))
    expectRefused(back, saw(two)).toMatchObject({ code: 'replace_ambiguous' })
    const single = started('red', policy)
    const touched = edited(single, replace('red', 'red red'), saw(single, 2))
    expectRefused(touched, saw(single)).toMatchObject({ code: 'replace_ambiguous' })
  })

  it('4 a change that somebody has made already is nothing to do, and says who made it', () => {
    const start = started('a red b', policy)
    const done = edited(start, replace('red', 'blue'), saw(start, 2))
    const later = edited(done, replace('a', 'AAA'), saw(done, 3))
    expect(accepted(later, replace('red', 'blue'), saw(start))).toEqual({
      events: [],
      receipt: { already_applied_by: madeBy(done, 'TextReplaced', saw(start, 2)) },
    })
    expect(code(later, replace('red', 'blue'), blind)).toBe('replace_no_match')
    expect(code(later, replace('red', 'blue'), saw(done))).toBe('replace_no_match')
    expect(code(later, replace('red', 'green'), saw(start))).toBe('replace_no_match')
  })

  it('4 a removal that somebody has made already is nothing to do either', () => {
    const start = started('a red b', policy)
    const done = edited(start, replace(' red', ''), saw(start, 2))
    expect(receipt(done, replace(' red', ''), saw(start))).toEqual({
      already_applied_by: madeBy(done, 'TextReplaced', saw(start, 2)),
    })
  })

  it('4 a change that was made and changed again is no match', () => {
    const start = started('a red b', policy)
    const done = edited(start, replace('red', 'blue'), saw(start, 2))
    const redone = edited(done, replace('blue', 'grey'), saw(done, 3))
    expect(code(redone, replace('red', 'blue'), saw(start))).toBe('replace_no_match')
    const undone = edited(done, undo(2), saw(done, 3))
    expect(code(undone, replace('red', 'blue'), saw(start))).toBe(
      policy === 'text' ? null : 'stale_base',
    )
  })

  it('5 a text that is gone is refused with what is nearest, and whoever changed it', () => {
    const start = started('HQ: unknown\nb', policy)
    const gone = edited(start, replace('unknown', 'San Francisco'), saw(start, 2))
    const later = edited(gone, insert('z'), saw(gone, 3))
    const last_changed_by = { version: 3, actor: saw(gone, 3).actor, at: now }
    const detail =
      'No replacement was performed, old_string `HQ: unknown` did not appear verbatim in memory block with label `notes`.'
    const near = { nearest: [{ line: 1, similarity: 0.3, text: 'HQ: San Francisco' }] }
    expect(refusal(later, replace('HQ: unknown', 'x'), saw(start))).toEqual({
      code: 'replace_no_match',
      detail,
      facts: { block_id: 'block-1', ...near, last_changed_by, base_version: 1, unseen: [2, 3] },
      atVersion: 3,
    })
    expect(refusal(later, replace('HQ: unknown', 'x'), blind).facts).toEqual({
      block_id: 'block-1',
      ...near,
      last_changed_by,
    })
    expect(refusal(later, replace('HQ: unknown', 'x'), saw(later)).facts).toEqual({
      block_id: 'block-1',
      ...near,
      base_version: 3,
      unseen: [],
    })
    expect(refusal(created('b'), replace('HQ', 'x'), blind).facts).toEqual({ block_id: 'block-1' })
  })

  it('of a writer that looked too long ago counts the words alone', () => {
    const start = started('red', policy)
    const moved = edited(edited(start, replace('red', 'green')), insert('red'))
    const old = aged(moved, LOOK_BACK_MAX)
    expect(receipt(old, replace('red', 'blue'), saw(start))).toMatchObject({
      matched: 'exact',
      line: 2,
    })
    const reachable = aged(moved, LOOK_BACK_MAX - 2)
    expect(code(reachable, replace('red', 'blue'), saw(start))).toBe(
      policy === 'text' ? null : 'stale_base',
    )
    expect(receipt(aged(start, 5), replace('red', 'blue'), saw(start))).toMatchObject({
      matched: 'exact',
    })
  })
})
