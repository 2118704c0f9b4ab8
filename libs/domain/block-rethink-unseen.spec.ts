import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  accepted,
  blind,
  created,
  edited,
  insert,
  madeBy,
  receipt,
  refusal,
  replace,
  rethink,
  saw,
} from '../../test/support/block-commands.js'
import { anyText, someText } from '../../test/support/texts.js'
import type { BlockPolicies, RethinkReceipt } from './block-events.js'
import type { BlockState } from './block-state.js'
import { apply } from './text.js'

type Policy = BlockPolicies['rethink']
const VALUE = 'one\n-\ntwo\n-\nthree'
const MINE = 'ONE\n-\ntwo\n-\nthree'
const started = (policy: Policy, value = VALUE) => created(value, { policies: { rethink: policy } })
const told = (state: BlockState, text: string, writer = blind) =>
  receipt(state, rethink(text), writer) as RethinkReceipt

describe('a rethink that overwrites', () => {
  it('gives the text that was asked for, from any text', () => {
    fc.assert(
      fc.property(anyText, anyText, anyText, (from, meanwhile, to) => {
        const start = created(from)
        const changed = edited(start, rethink(meanwhile), saw(start, 2))
        const state = edited(changed, rethink(to), saw(start))
        expect([state.value, state.length]).toEqual([to, [...to].length])
      }),
    )
  })

  it('always leaves a receipt: every change that its writer had not seen stands in it', () => {
    const change = fc.tuple(
      someText.map((text) => insert(text)),
      fc.integer({ min: 1, max: 3 }),
    )
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), fc.nat(), (changes, seen) => {
        const states = [created('start')]
        const references: [who: number, reference: object][] = []
        for (const [command, who] of changes) {
          const before = states.at(-1) as BlockState
          const after = edited(before, command, saw(before, who))
          states.push(after)
          references.push([who, madeBy(after, 'TextInserted', saw(before, who))])
        }
        const base = seen % states.length
        const writer = saw(states[base] as BlockState, 1)
        const others = references.slice(base).filter(([who]) => who !== 1)
        expect(told(states.at(-1) as BlockState, 'new', writer)).toEqual({
          overwrote: others.map(([, reference]) => reference),
          replaced_version: states.length,
        })
      }),
    )
  })

  it('lists the newest hundred, and says that there were more', () => {
    const start = created('')
    const grown = (count: number) =>
      Array.from({ length: count }).reduce<BlockState>(
        (s, _, i) => edited(s, insert(`${i}`), saw(s, 2)),
        start,
      )
    const full = told(grown(100), 'new', saw(start))
    expect([full.overwrote.length, full.truncated]).toEqual([100, undefined])
    const more = told(grown(101), 'new', saw(start))
    expect([more.overwrote.length, more.overwrote[0]?.version, more.truncated]).toEqual([
      100,
      3,
      true,
    ])
  })

  it('clears a block', () => {
    expect(edited(created('a\nb'), rethink('')).value).toBe('')
  })
})

describe('a rethink that preserves', () => {
  const place = fc.option(fc.nat(), { nil: undefined })
  const unseen = fc.array(fc.tuple(someText, place), { minLength: 1, maxLength: 5 })

  it('loses no insert that its writer had not seen: each stands at the end, in order', () => {
    fc.assert(
      fc.property(anyText, anyText, unseen, (value, to, inserts) => {
        const start = started('preserve', value)
        let state = start
        for (const [text, at] of inserts) {
          const lines = start.value.split('\n').length
          const line = at === undefined ? undefined : at % (lines + 1)
          // Between two empty lines nobody can tell which of two feeds made room.
          fc.pre(!(line !== undefined && text.startsWith('\n') && state.value.startsWith('\n')))
          state = edited(state, insert(text, line), saw(start, 2))
        }
        const expected = [...(to === '' ? [] : [to]), ...inserts.map(([text]) => text)].join('\n')
        const decision = accepted(state, rethink(to), saw(start))
        if (expected === state.value) return expect(decision.events).toEqual([])
        expect(edited(state, rethink(to), saw(start)).value).toBe(expected)
        const kept = (decision.receipt as RethinkReceipt).kept?.map(({ version }) => version)
        expect(kept).toEqual(inserts.map((_, i) => start.version + 1 + i))
      }),
    )
  })

  it('keeps what still stands of them, and lists what does not, and the replaces', () => {
    const start = started('preserve', 'a\nb')
    const two = saw(start, 2)
    const one = edited(edited(start, insert('red fox'), two), insert('gone'), two)
    const less = edited(edited(one, replace('\ngone', ''), two), replace('red', 'the blue'), two)
    const all = edited(less, replace('a', 'A'), two)
    expect(edited(all, rethink('new'), saw(start)).value).toBe('new\nthe blue fox')
    expect(told(all, 'new', saw(start))).toEqual({
      overwrote: [
        { version: 3, actor: two.actor, type: 'TextInserted' },
        { version: 4, actor: two.actor, type: 'TextReplaced' },
        { version: 5, actor: two.actor, type: 'TextReplaced' },
        { version: 6, actor: two.actor, type: 'TextReplaced' },
      ],
      kept: [{ version: 2, actor: two.actor, type: 'TextInserted' }],
      replaced_version: 6,
    })
  })

  it('keeps no insert of its own turn, and none it had seen', () => {
    const start = started('preserve', 'a')
    const seen = edited(start, insert('seen'), saw(start, 2))
    const own = edited(seen, insert('own'), saw(seen))
    const other = edited(own, insert('unseen'), saw(seen, 2))
    expect(edited(other, rethink('new'), saw(seen)).value).toBe('new\nunseen')
    expect(edited(other, rethink(''), saw(seen)).value).toBe('unseen')
    expect(
      told(edited(seen, replace('a', 'b'), saw(seen, 2)), 'new', saw(seen)),
    ).not.toHaveProperty('kept')
  })

  it('is held to the limit with what it keeps', () => {
    const start = created('a', { limit: 8, policies: { rethink: 'preserve' } })
    const other = edited(start, insert('1234'), saw(start, 2))
    expect(edited(other, rethink('new'), saw(start)).length).toBe(8)
    expect(refusal(other, rethink('news'), saw(start)).facts).toMatchObject({ would_be: 9 })
  })
})

describe('a rethink that is refused', () => {
  it('says what its writer had not seen, and how the text stands', () => {
    const start = started('guard')
    const changed = edited(start, replace('two', 'TWO\u{1f600}'), saw(start, 2))
    expect(refusal(changed, rethink(MINE), saw(start))).toEqual({
      code: 'stale_base',
      detail:
        'Block notes was not rewritten, because it changed since version 1 in ways its writer had not seen',
      facts: {
        block_id: 'block-1',
        policies: { rethink: 'guard', replace: 'text', anchor_lost: 'end' },
        base_version: 1,
        unseen: [2],
        unseen_count: 1,
        diff: [
          {
            ...madeBy(changed, 'TextReplaced', saw(start, 2)),
            edits: [{ line: 3, removed: 'two', added: 'TWO\u{1f600}' }],
            more: 0,
          },
        ],
        current: changed.value,
      },
      atVersion: 2,
    })
  })

  it('tells the newest twenty changes, and at most 4000 characters of the text', () => {
    const start = started('guard', 'a'.repeat(3_950))
    const changed = Array.from({ length: 25 }).reduce<BlockState>(
      (s) => edited(s, insert('bc'), saw(s, 2)),
      start,
    )
    const { facts } = refusal(changed, rethink(MINE), saw(start))
    expect(facts.unseen).toEqual(Array.from({ length: 20 }, (_, i) => i + 7))
    expect(facts.unseen_count).toBe(25)
    expect(facts.diff).toHaveLength(20)
    expect(facts.current).toBe(`${changed.value.slice(0, 4_000)}…`)
    const long = edited(start, insert('d'.repeat(500)), saw(start, 2))
    expect(refusal(long, rethink(MINE), saw(start)).facts.diff).toMatchObject([
      { edits: [{ added: `${'d'.repeat(400)}…` }] },
    ])
  })
})

describe('a rethink that merges', () => {
  it('says so, and has overwritten nothing', () => {
    const start = started('merge')
    const changed = edited(start, replace('three', 'THREE'), saw(start, 2))
    expect(told(changed, MINE, saw(start))).toEqual({
      overwrote: [],
      merged: true,
      replaced_version: 2,
    })
    expect(told(start, MINE, saw(start))).toEqual({ overwrote: [], replaced_version: 1 })
    const decided = accepted(changed, rethink(MINE), saw(start))
    expect(apply(changed.value, decided.events[0]?.payload.effect ?? [])).toBe(
      'ONE\n-\ntwo\n-\nTHREE',
    )
  })

  it('of the same lines is refused with what each side made of them', () => {
    const start = started('merge')
    const changed = edited(start, replace('one', 'eins'), saw(start, 2))
    expect(refusal(changed, rethink(MINE), saw(start))).toEqual({
      code: 'rethink_conflict',
      detail: 'Your text and the changes since version 1 change the same lines of block notes',
      facts: {
        block_id: 'block-1',
        base_version: 1,
        hunks: [{ line: 1, base: 'one', mine: 'ONE', theirs: 'eins' }],
        current: changed.value,
      },
      atVersion: 2,
    })
  })

  it('tells at most twenty conflicts, with 400 characters of each side', () => {
    const rows = (text: string) => Array(21).fill(`${text}\n-`).join('\n')
    const start = started('merge', rows('b'.repeat(401)))
    const changed = edited(start, rethink(rows('c'.repeat(401))), saw(start, 2))
    const { facts } = refusal(changed, rethink(rows('d'.repeat(401))), saw(start))
    const shown = (letter: string) => `${letter.repeat(400)}…`
    const sides = { base: shown('b'), mine: shown('d'), theirs: shown('c') }
    expect(facts.hunks).toEqual(
      Array.from({ length: 20 }, (_, i) => ({ line: 2 * i + 1, ...sides })),
    )
    expect(facts.current).toBe(`${changed.value.slice(0, 4_000)}…`)
  })

  it('after all sorts of edits keeps both sides whenever they touch lines apart', () => {
    const row = fc.nat(4)
    fc.assert(
      fc.property(row, row, fc.boolean(), (mine, theirs, insertion) => {
        fc.pre(Math.abs(mine - theirs) > 0)
        const names = ['one', 'two', 'three', 'four', 'five']
        const value = names.join('\n-\n')
        const start = started('merge', value)
        const theirName = names[theirs] as string
        const change = replace(theirName, insertion ? `${theirName}\nnew` : `${theirName}!`)
        const changed = edited(start, change, saw(start, 2))
        const text = value.replace(names[mine] as string, 'MINE')
        const both = changed.value.replace(names[mine] as string, 'MINE')
        expect(edited(changed, rethink(text), saw(start)).value).toBe(both)
      }),
    )
  })
})
