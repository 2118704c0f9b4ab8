import { describe, expect, it } from '@jest/globals'
import {
  aged,
  blind,
  created,
  edited,
  insert,
  insertAfter,
  madeBy,
  receipt,
  refusal,
  replace,
  restore,
  rethink,
  saw,
} from '../../test/support/block-commands.js'
import { LOOK_BACK_MAX } from './block-memory.js'

describe('an insert at a line that its writer counted earlier', () => {
  const start = created('one\ntwo\nthree')

  it.each([
    ['a line above', insert('new', 0), 'new\none\ntwo\nMINE\nthree', 3],
    ['two lines above', insert('a\nb', 1), 'one\na\nb\ntwo\nMINE\nthree', 4],
    ['a line that went above', replace('one\n', ''), 'two\nMINE\nthree', 1],
    ['a line that was split above', replace('one', '1\n1'), '1\n1\ntwo\nMINE\nthree', 3],
    ['other words in the line', replace('two', 'zwei'), 'one\nzwei\nMINE\nthree', 2],
    ['the line split in two', replace('two', 't\nwo'), 'one\nt\nMINE\nwo\nthree', 2],
    ['a line below', insert('new', 2), 'one\ntwo\nMINE\nnew\nthree', 2],
    ['another at the end', insert('new'), 'one\ntwo\nMINE\nthree\nnew', 2],
    ['the line joined to the one above', replace('one\ntwo', 'one two'), 'one two\nMINE\nthree', 1],
  ])('follows it: %s', (_name, meanwhile, value, line) => {
    const changed = edited(start, meanwhile, saw(start, 2))
    expect(edited(changed, insert('MINE', 2), saw(start)).value).toBe(value)
    expect(receipt(changed, insert('MINE', 2), saw(start))).toEqual({
      placed: 'line',
      line: line + 1,
      lines: 1,
      ...(line === 2 ? {} : { from_line: 2 }),
    })
  })

  it('stays before the first line, whatever came there', () => {
    const changed = edited(start, insert('new', 0), saw(start, 2))
    expect(edited(changed, insert('MINE', 0), saw(start)).value).toBe('MINE\nnew\none\ntwo\nthree')
    expect(receipt(changed, insert('MINE', 0), saw(start))).toEqual({
      placed: 'line',
      line: 1,
      lines: 1,
    })
  })

  it('takes the number as it is, when its writer does not say what it saw', () => {
    const changed = edited(start, insert('new', 0))
    expect(edited(changed, insert('MINE', 2), blind).value).toBe('new\none\nMINE\ntwo\nthree')
  })

  it.each([
    ['BlockRethought', rethink('all\nnew\ntext')],
    ['BlockRestored', restore(1, 'all\nnew\ntext')],
  ])('after a %s goes to the end, and says who took the line away', (type, whole) => {
    const changed = edited(edited(start, insert('z')), whole, saw(start, 2))
    const later = edited(changed, insert('y'), saw(start, 3))
    expect(edited(later, insert('MINE', 2), saw(start)).value).toBe('all\nnew\ntext\ny\nMINE')
    expect(receipt(later, insert('MINE', 2), saw(start))).toEqual({
      placed: 'end',
      reason: 'anchor_lost',
      lost_at: madeBy(changed, type, saw(start, 2)),
      from_line: 2,
      line: 5,
      lines: 1,
    })
    const strict = {
      ...later,
      settings: {
        ...later.settings,
        policies: { ...later.settings.policies, anchor_lost: 'reject' as const },
      },
    }
    expect(refusal(strict, insert('MINE', 2), saw(start))).toEqual({
      code: 'anchor_lost',
      detail: "Line 2 was rewritten at version 3; the block's policy is to refuse such an insert",
      facts: { block_id: 'block-1', line: 2, lost_at: madeBy(changed, type, saw(start, 2)) },
      atVersion: 4,
    })
  })

  it('and lies too far back to follow goes to the end, and nobody is named', () => {
    const old = aged(edited(start, insert('z')), LOOK_BACK_MAX)
    expect(receipt(old, insert('MINE', 2), saw(start))).toEqual({
      placed: 'end',
      reason: 'anchor_lost',
      from_line: 2,
      line: 5,
      lines: 1,
    })
    const reachable = aged(edited(start, insert('z')), LOOK_BACK_MAX - 1)
    expect(receipt(reachable, insert('MINE', 2), saw(start))).toMatchObject({
      placed: 'line',
      line: 3,
    })
  })
})

describe('an insert after a line of text', () => {
  const start = created('one\ntwo\nthree')
  const reject = { policies: { anchor_lost: 'reject' as const } }

  it('goes below it, wherever it stands', () => {
    const changed = edited(start, insert('new', 0))
    expect(edited(changed, insertAfter('two', 'A\nB')).value).toBe('new\none\ntwo\nA\nB\nthree')
    expect(receipt(changed, insertAfter('two', 'A\nB'))).toEqual({
      placed: 'after',
      line: 4,
      lines: 2,
    })
    expect(edited(start, insertAfter('three', 'A')).value).toBe('one\ntwo\nthree\nA')
    expect(edited(created('a\n\nb'), insertAfter('', 'A')).value).toBe('a\n\nA\nb')
  })

  it('that is only part of a line, or of an empty block, goes to the end', () => {
    expect(receipt(start, insertAfter('tw', 'A'))).toEqual({
      placed: 'end',
      reason: 'anchor_lost',
      line: 4,
      lines: 1,
    })
    expect(receipt(created(''), insertAfter('', 'A'))).toMatchObject({ placed: 'end', line: 1 })
  })

  it('names whoever took the line away, if its writer had seen it', () => {
    const gone = edited(start, replace('two', 'zwei'), saw(start, 2))
    const later = edited(gone, replace('zwei', 'deux'), saw(gone, 3))
    const lost_at = madeBy(gone, 'TextReplaced', saw(start, 2))
    expect(receipt(later, insertAfter('two', 'A'), saw(start))).toMatchObject({
      placed: 'end',
      lost_at,
    })
    for (const writer of [blind, saw(gone)]) {
      expect(receipt(later, insertAfter('two', 'A'), writer)).not.toHaveProperty('lost_at')
    }
    expect(receipt(later, insertAfter('never', 'A'), saw(start))).not.toHaveProperty('lost_at')
    expect(
      receipt(aged(later, LOOK_BACK_MAX), insertAfter('two', 'A'), saw(start)),
    ).not.toHaveProperty('lost_at')
  })

  it('is refused where the policy says so', () => {
    const strict = created('one\ntwo', reject)
    const gone = edited(strict, replace('two', 'zwei'), saw(strict, 2))
    const lost_at = madeBy(gone, 'TextReplaced', saw(strict, 2))
    expect(refusal(gone, insertAfter('two', 'A'), saw(strict))).toEqual({
      code: 'anchor_lost',
      detail:
        "The line `two` was rewritten at version 2; the block's policy is to refuse such an insert",
      facts: { block_id: 'block-1', after: 'two', lost_at },
      atVersion: 2,
    })
    expect(refusal(gone, insertAfter('two', 'A'))).toEqual({
      code: 'anchor_lost',
      detail: "The line `two` is not there; the block's policy is to refuse such an insert",
      facts: { block_id: 'block-1', after: 'two' },
      atVersion: 2,
    })
    expect(edited(gone, insertAfter('zwei', 'A'), saw(strict)).value).toBe('one\nzwei\nA')
  })

  it('that stands more than once is refused, with the lines', () => {
    expect(refusal(created('a\nb\na'), insertAfter('a', 'X'))).toEqual({
      code: 'anchor_ambiguous',
      detail: 'The line `a` stands 2 times, in lines [1, 3]',
      facts: { block_id: 'block-1', match_count: 2, lines: [1, 3] },
      atVersion: 1,
    })
    const many = refusal(created(Array(21).fill('a').join('\n')), insertAfter('a', 'X'))
    expect(many.facts).toMatchObject({
      match_count: 21,
      lines: Array.from({ length: 20 }, (_, i) => i + 1),
    })
    expect(many.detail).toMatch(/in lines \[1, 2, .*, 20, …\]$/)
  })
})
