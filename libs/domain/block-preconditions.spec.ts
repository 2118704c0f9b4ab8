import { describe, expect, it } from '@jest/globals'
import {
  aged,
  agent,
  applyPatch,
  attached,
  blind,
  code,
  configure,
  created,
  edited,
  insert,
  madeBy,
  now,
  refusal,
  replace,
  restore,
  rethink,
  saw,
  undo,
  user,
} from '../../test/support/block-commands.js'
import { decideBlock } from './block.js'
import type { BlockCommand, Right, Writer } from './block-events.js'
import { type BlockState, initialBlock, missingPast } from './block-state.js'
import { draft } from './draft.js'
import { NUMBERED_VIEW_BANNER } from './text.js'

const asAgent: Writer = { actor: agent(1), baseVersion: null }
const numbered = (command: BlockCommand) => ({ ...command, numbered: true }) as BlockCommand
const _plain = (command: BlockCommand) => ({ ...command, numbered: false }) as BlockCommand
const deleted = (state: BlockState): BlockState =>
  draft(
    state,
    [{ type: 'BlockDeleted', payload: { intent: { reason: null }, effect: [], length: 0 } }],
    {
      actor: user,
      now,
    },
  )
const WORDS: readonly [name: string, command: BlockCommand, needs: Right][] = [
  ['an insert', insert('x'), 'insert'],
  ['a replace', replace('a', 'b'), 'edit'],
  ['a patch', applyPatch('-a', '+b'), 'edit'],
  ['a rethink', rethink('x'), 'edit'],
  ['a restore', restore(1, 'x'), 'edit'],
  ['an undo', undo(2), 'edit'],
  ['a change of settings', configure({ label: 'other' }), 'edit'],
]
const changed = edited(created('a'), insert('b'))

describe.each(WORDS)('%s', (_name, command, needs) => {
  it.each<Right>(['read', 'insert', 'edit'])(
    'is allowed by a right that covers it: %s',
    (right) => {
      const allowed = right === 'edit' || right === needs
      const state = attached(changed, 1, right)
      expect(code(state, command, asAgent)).toBe(allowed ? null : 'right_missing')
      if (allowed) return
      expect(refusal(state, command, asAgent)).toEqual({
        code: 'right_missing',
        detail: `This needs the right to ${needs}; the attachment has ${right}`,
        facts: { block_id: 'block-1', agent_id: 'agent-1', right, needed: needs },
        atVersion: 3,
      })
    },
  )

  it('of an agent needs an attachment, and nobody else does', () => {
    expect(refusal(attached(changed, 2), command, asAgent)).toEqual({
      code: 'agent_not_attached',
      detail: 'Agent agent-1 is not attached to block notes',
      facts: {
        block_id: 'block-1',
        agent_id: 'agent-1',
        attach: '/v1/agents/agent-1/core-memory/blocks/attach/block-1',
      },
      atVersion: 3,
    })
    for (const kind of ['user', 'service', 'api_key', 'system'] as const) {
      expect(
        code(changed, command, { actor: { kind, id: 'agent-1' }, baseVersion: null }),
      ).toBeNull()
    }
  })

  it('in a read-only block is refused to agents, and open to the API', () => {
    const state = attached(edited(changed, configure({ read_only: true })), 1)
    expect(refusal(state, command, asAgent)).toEqual({
      code: 'block_read_only',
      detail: 'Error This block is read-only and cannot be edited.',
      facts: { block_id: 'block-1', agent_id: 'agent-1' },
      atVersion: 4,
    })
    expect(code(state, command, blind)).toBeNull()
  })

  it('of a block that is not there, or no longer, is refused', () => {
    expect(refusal(initialBlock('block-1'), command)).toEqual({
      code: 'block_not_found',
      detail: 'Block block-1 not found',
      facts: { block_id: 'block-1' },
    })
    expect(refusal(deleted(changed), command, asAgent)).toEqual({
      code: 'gone',
      detail: 'Block block-1 was deleted',
      facts: { block_id: 'block-1' },
      atVersion: 3,
    })
  })

  it('may not have seen the future', () => {
    expect(refusal(changed, command, { actor: user, baseVersion: 3 })).toEqual({
      code: 'version_from_future',
      detail: "base_version 3 is above the block's version 2",
      facts: { block_id: 'block-1', base_version: 3 },
      atVersion: 2,
    })
    expect(code(changed, command, { actor: user, baseVersion: 2 })).toBeNull()
  })

  it('under an If-Match of another version is refused, with what happened between', () => {
    const writer: Writer = { actor: user, baseVersion: null, ifMatch: 1 }
    expect(refusal(changed, command, writer)).toEqual({
      code: 'version_conflict',
      detail: 'If-Match named version 1; block notes is at version 2',
      facts: {
        block_id: 'block-1',
        expected: 1,
        actual: 2,
        events_between: [madeBy(changed, 'TextInserted', blind)],
      },
      atVersion: 2,
    })
    expect(refusal(changed, command, { ...writer, ifMatch: 3 }).facts).toMatchObject({
      events_between: [],
    })
    for (const ifMatch of [2, '*', null, undefined] as const) {
      expect(code(changed, command, { ...writer, ifMatch })).toBeNull()
    }
  })
})

describe('the order of checks', () => {
  /** Each breaks one rule more than the one before; the first rule that is broken is named. */
  const bad = { ...numbered(insert('1→ x', 99)), text: '1→ x' } as BlockCommand
  const future: Writer = { actor: agent(1), baseVersion: 99, ifMatch: 7 }
  const full = created('a', { limit: 1 })

  it('is: there, attached, read-only, right, arguments, future, If-Match, rule, limit', () => {
    const readOnly = edited(full, configure({ read_only: true }))
    expect(code(initialBlock('block-1'), bad, future)).toBe('block_not_found')
    expect(code(deleted(readOnly), bad, future)).toBe('gone')
    expect(code(readOnly, bad, future)).toBe('agent_not_attached')
    expect(code(attached(readOnly, 1, 'read'), bad, future)).toBe('block_read_only')
    expect(code(attached(full, 1, 'read'), bad, future)).toBe('right_missing')
    const open = attached(full, 1)
    expect(code(open, bad, future)).toBe('line_number_prefix')
    expect(code(open, insert('x', 99), future)).toBe('version_from_future')
    expect(code(open, insert('x', 99), { ...future, baseVersion: null })).toBe('version_conflict')
    expect(code(open, insert('x', 99), asAgent)).toBe('line_out_of_range')
    expect(code(open, insert('x'), asAgent)).toBe('limit_exceeded')
  })

  it('of arguments is: NUL, surrogates, nothing, numbers, banner, label', () => {
    const state = created('a')
    const everything = `1→\0\ud800${NUMBERED_VIEW_BANNER}`
    expect(code(state, numbered(insert(everything)))).toBe('nul_not_allowed')
    expect(code(state, numbered(insert(everything.replace('\0', ''))))).toBe('lone_surrogate')
    expect(code(state, numbered(replace('', `1→${NUMBERED_VIEW_BANNER}`)))).toBe('empty_text')
    expect(code(state, numbered(rethink(`1→${NUMBERED_VIEW_BANNER}`)))).toBe('line_number_prefix')
    expect(code(state, numbered(rethink(NUMBERED_VIEW_BANNER)))).toBe('line_number_banner')
    expect(code(state, configure({ label: '<' }, '\0'))).toBe('nul_not_allowed')
    expect(code(state, configure({ label: '<' }, 'x'))).toBe('invalid_label')
  })
})

describe('a command about a past that the block does not remember', () => {
  const story = (count: number) =>
    Array.from({ length: count }).reduce<BlockState>(
      (s, _, i) => edited(s, insert(`${i}`)),
      created('a'),
    )
  const long = story(200)

  it('names the version it must reach back to, and is not judged without', () => {
    const base = (baseVersion: number): Writer => ({ actor: user, baseVersion })
    expect(missingPast(long, insert('x'), base(5))).toBe(5)
    expect(missingPast(long, insert('x'), base(190))).toBeNull()
    expect(missingPast(long, insert('x'), blind)).toBeNull()
    expect(missingPast(long, insert('x'), base(201))).toBeNull()
    expect(missingPast(long, insert('x'), base(500))).toBeNull()
    expect(missingPast(long, insert('x'), { ...base(9), ifMatch: 7 })).toBe(7)
    expect(missingPast(long, insert('x'), { ...base(7), ifMatch: 9 })).toBe(7)
    expect(missingPast(long, insert('x'), { ...base(7), ifMatch: '*' })).toBe(7)
    expect(missingPast(long, insert('x'), { actor: user, baseVersion: null, ifMatch: 3 })).toBe(3)
    expect(missingPast(long, undo(5), blind)).toBe(4)
    expect(missingPast(long, undo(5), base(2))).toBe(2)
    expect(missingPast(long, undo(190), blind)).toBeNull()
    expect(missingPast(long, undo(1), blind)).toBe(1)
    for (const command of [undo(0), undo(1), insert('x')]) {
      expect(missingPast(created('a'), command, base(0))).toBeNull()
    }
    expect(missingPast(aged(long, 20_000), insert('x'), base(5))).toBeNull()
    expect(missingPast(aged(long, 9_900), insert('x'), base(5))).toBe(101)
    expect(() => decideBlock(long, insert('x'), base(5))).toThrow(
      'block-1 does not remember its version 5',
    )
    expect(() => decideBlock(long, insert('x'), saw(long))).not.toThrow()
  })
})
