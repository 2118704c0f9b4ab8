import { describe, expect, it } from '@jest/globals'
import {
  accepted,
  aged,
  attached,
  blind,
  code,
  created,
  edited,
  insert,
  madeBy,
  receipt,
  refusal,
  replace,
  restore,
  rethink,
  saw,
} from '../../test/support/block-commands.js'
import type { BlockCommand, BlockPolicies, RethinkReceipt } from './block-events.js'
import { LOOK_BACK_MAX } from './block-memory.js'
import type { BlockState } from './block-state.js'

type Policy = BlockPolicies['rethink']
const POLICIES: readonly Policy[] = ['overwrite', 'preserve', 'guard', 'merge']
const VALUE = 'one\n-\ntwo\n-\nthree'
const MINE = 'ONE\n-\ntwo\n-\nthree'
const started = (policy: Policy, value = VALUE) => created(value, { policies: { rethink: policy } })
const told = (state: BlockState, text: string, writer = blind) =>
  receipt(state, rethink(text), writer) as RethinkReceipt

/** What others did meanwhile, and what each policy makes of it: a text, or a code. */
const MEANWHILE: Record<string, BlockCommand | null> = {
  nothing: null,
  insert: insert('four'),
  replace: replace('three', 'THREE'),
  rethink: rethink('all\nnew'),
  restore: restore(1, 'as it was'),
}
const TABLE: readonly [Policy, keyof typeof MEANWHILE, comesTo: string][] = [
  ...POLICIES.map((policy): [Policy, string, string] => [policy, 'nothing', MINE]),
  ['overwrite', 'insert', MINE],
  ['overwrite', 'replace', MINE],
  ['overwrite', 'rethink', MINE],
  ['overwrite', 'restore', MINE],
  ['preserve', 'insert', `${MINE}\nfour`],
  ['preserve', 'replace', MINE],
  ['preserve', 'rethink', 'stale_base'],
  ['preserve', 'restore', 'stale_base'],
  ['guard', 'insert', 'stale_base'],
  ['guard', 'replace', 'stale_base'],
  ['guard', 'rethink', 'stale_base'],
  ['guard', 'restore', 'stale_base'],
  ['merge', 'insert', `${MINE}\nfour`],
  ['merge', 'replace', 'ONE\n-\ntwo\n-\nTHREE'],
  ['merge', 'rethink', 'rethink_conflict'],
  ['merge', 'restore', 'rethink_conflict'],
]

describe.each([
  ['rethink', rethink(MINE), 'BlockRethought'],
  ['restore', restore(7, MINE), 'BlockRestored'],
])('a %s', (_word, command, type) => {
  it.each(TABLE)('under %s after %s comes to %j', (policy, meanwhile, comesTo) => {
    const start = started(policy)
    const what = MEANWHILE[meanwhile]
    const changed = what ? edited(start, what, saw(start, 2)) : start
    const refused = code(changed, command, saw(start))
    expect(refused ?? edited(changed, command, saw(start)).value).toBe(comesTo)
  })

  it.each(POLICIES)(
    'under %s of its own changes, or after what is no text, has nothing to mind',
    (policy) => {
      const start = started(policy)
      const mine = saw(start)
      expect(edited(edited(start, insert('own'), mine), command, mine).value).toBe(MINE)
      const other = attached(start, 5)
      expect(edited(other, command, mine).value).toBe(MINE)
      expect(told(other, MINE, mine)).toEqual({ overwrote: [], replaced_version: 2 })
    },
  )

  it.each(POLICIES)(
    'under %s without a base version applies only where everything may go',
    (policy) => {
      const state = started(policy)
      if (policy === 'overwrite') {
        expect(edited(state, command, blind).value).toBe(MINE)
        expect(told(state, MINE)).toEqual({ overwrote: [], replaced_version: 1 })
        return
      }
      expect(refusal(state, command, blind)).toEqual({
        code: 'base_version_required',
        detail: `The policy of block notes is ${policy}: say which version you have seen`,
        facts: { block_id: 'block-1', policy },
        atVersion: 1,
      })
    },
  )

  it.each(POLICIES)('under %s of a writer that looked too long ago', (policy) => {
    const start = started(policy)
    const changed = edited(start, insert('four'), saw(start, 2))
    const old = aged(changed, LOOK_BACK_MAX)
    if (policy === 'overwrite') {
      expect(told(old, MINE, saw(start))).toEqual({
        overwrote: [madeBy(changed, 'TextInserted', saw(start, 2))].slice(1),
        truncated: true,
        replaced_version: LOOK_BACK_MAX + 2,
      })
    } else {
      expect(refusal(old, command, saw(start))).toMatchObject({
        code: 'stale_base',
        detail:
          'Block notes was not rewritten, because too much has changed since version 1 in ways its writer had not seen',
      })
    }
    const reachable = aged(changed, LOOK_BACK_MAX - 1)
    expect(code(reachable, command, saw(start))).toBe(policy === 'guard' ? 'stale_base' : null)
  })

  it('is written with what it asked for, the policy in force and what it did', () => {
    const state = started('overwrite')
    const receipt = { overwrote: [], replaced_version: 1 }
    const policy = 'overwrite'
    const intent = command.type === 'RestoreBlock' ? { version: 7, policy } : { text: MINE, policy }
    const effect = [{ offset: 0, delete: 3, insert: 'ONE' }]
    expect(accepted(state, command)).toEqual({
      events: [{ type, payload: { intent, effect, receipt, length: VALUE.length } }],
      receipt,
    })
  })

  it.each(POLICIES)('under %s to the text that stands there is no event', (policy) => {
    const start = started(policy, MINE)
    expect(accepted(start, command, saw(start))).toEqual({ events: [], receipt: null })
  })

  it('is held to the limit', () => {
    const state = {
      ...started('overwrite'),
      settings: { ...started('overwrite').settings, limit: MINE.length - 1 },
    }
    expect(refusal(state, command)).toMatchObject({
      code: 'limit_exceeded',
      facts: { limit: MINE.length - 1, would_be: MINE.length, over_by: 1, left: 0 },
    })
  })
})
