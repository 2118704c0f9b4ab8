import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  accepted,
  blind,
  code,
  configure,
  created,
  edited,
  insert,
  madeBy,
  refusal,
  saw,
} from '../../test/support/block-commands.js'
import { createBlock } from './block.js'
import type { BlockSettings } from './block-events.js'
import { BLANK_SETTINGS, initialBlock } from './block-state.js'

const state = created('abc', { description: 'd', tags: ['x'], metadata: { a: 1 } })

describe('a change of settings', () => {
  it('is one event with each field as it was and as it is', () => {
    const change = {
      description: 'new',
      tags: ['x', 'y'],
      metadata: { a: 2 },
      read_only: true,
      hidden: true,
    }
    expect(accepted(state, configure(change))).toEqual({
      events: [
        {
          type: 'BlockConfigured',
          payload: {
            intent: {
              description: { from: 'd', to: 'new' },
              tags: { from: ['x'], to: ['x', 'y'] },
              metadata: { from: { a: 1 }, to: { a: 2 } },
              read_only: { from: false, to: true },
              hidden: { from: null, to: true },
            },
            effect: [],
            length: 3,
          },
        },
      ],
      receipt: null,
    })
    const changed = edited(state, configure(change))
    expect(changed).toEqual({ ...state, version: 2, settings: { ...state.settings, ...change } })
  })

  it('takes only what is another value, and null where it is asked for', () => {
    const change = {
      description: null,
      tags: ['x'],
      metadata: { a: 1 },
      limit: 100_000,
      label: 'notes',
    }
    expect(edited(state, configure(change)).settings).toEqual({
      ...state.settings,
      description: null,
    })
    expect(edited(state, configure(change)).version).toBe(2)
    const { events } = accepted(state, configure({ ...change, read_only: undefined as never }))
    expect(events[0]?.payload.intent).toEqual({ description: { from: 'd', to: null } })
  })

  it('of one policy leaves the others', () => {
    const once = edited(state, configure({ policies: { rethink: 'guard' } }))
    const twice = edited(once, configure({ policies: { replace: 'strict' } }))
    expect(twice.settings.policies).toEqual({
      rethink: 'guard',
      replace: 'strict',
      anchor_lost: 'end',
    })
    expect(accepted(twice, configure({ policies: { rethink: 'guard' } }))).toEqual({
      events: [],
      receipt: null,
    })
  })

  it('that changes nothing is no event', () => {
    expect(accepted(state, configure({}))).toEqual({ events: [], receipt: null })
    expect(accepted(state, configure({}, 'abc'))).toEqual({ events: [], receipt: null })
    expect(edited(state, configure({ label: 'notes', description: 'd' }, 'abc'))).toEqual(state)
  })

  it('with a new text is two events in one commit, and the receipt is that of the text', () => {
    const other = edited(state, insert('z'), saw(state, 2))
    const { events, receipt } = accepted(
      other,
      configure({ description: 'new' }, 'abcdef'),
      saw(state),
    )
    expect(events.map(({ type, payload }) => [type, payload.length])).toEqual([
      ['BlockRethought', 6],
      ['BlockConfigured', 6],
    ])
    expect(receipt).toEqual({
      overwrote: [madeBy(other, 'TextInserted', saw(state, 2))],
      replaced_version: 2,
    })
    expect(edited(state, configure({ description: 'new' }, 'abcdef'))).toMatchObject({
      value: 'abcdef',
      version: 3,
    })
    expect(edited(state, configure({}, '')).value).toBe('')
  })

  it('that refuses the text changes no settings either', () => {
    const guarded = created('a', { policies: { rethink: 'guard' } })
    expect(code(guarded, configure({ description: 'new' }, 'b'), blind)).toBe(
      'base_version_required',
    )
    expect(code(guarded, configure({ description: 'new' }), blind)).toBeNull()
  })

  it.each([
    ['raises the limit for its own text', { limit: 6 }, 'abcdef', null],
    ['lowers the limit to the text', { limit: 3 }, undefined, null],
    ['lowers the limit below the text', { limit: 2 }, undefined, 'limit_below_length'],
    ['lowers the limit below its own text', { limit: 5 }, 'abcdef', 'limit_exceeded'],
    ['lowers the limit to its own shorter text', { limit: 2 }, 'ab', null],
    ['lowers the limit below the text it repeats', { limit: 2 }, 'abc', 'limit_exceeded'],
  ] as const)('that %s comes to %s', (_name, settings, value, expected) => {
    expect(code(created('abc', { limit: 3 }), configure(settings, value))).toBe(expected)
  })

  it('that leaves no room for the text says how long it is', () => {
    expect(refusal(state, configure({ limit: 2 }))).toEqual({
      code: 'limit_below_length',
      detail: 'The block has 3 characters, more than the new limit of 2',
      facts: { block_id: 'block-1', length: 3, limit: 2 },
      atVersion: 1,
    })
  })

  it('gives what was asked for, whatever it was before, and again changes nothing', () => {
    const settings: fc.Arbitrary<Partial<BlockSettings>> = fc.record(
      {
        description: fc.option(fc.string()),
        read_only: fc.boolean(),
        tags: fc.array(fc.string(), { maxLength: 2 }),
        metadata: fc.dictionary(fc.constantFrom('a', 'b'), fc.nat(2)),
        hidden: fc.option(fc.boolean()),
        is_template: fc.boolean(),
        preserve_on_migration: fc.boolean(),
        project_id: fc.option(fc.string()),
        template_name: fc.option(fc.string()),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(settings, settings, (first, second) => {
        const before = edited(created(''), configure(first))
        const after = edited(before, configure(second))
        expect(after.settings).toEqual({ ...BLANK_SETTINGS, label: 'notes', ...first, ...second })
        expect(after.version - before.version).toBeLessThanOrEqual(1)
        expect(edited(after, configure(second))).toEqual(after)
      }),
    )
  })
})

describe('a new block', () => {
  const blank = initialBlock('block-1')
  const of = (value: string, settings: object) =>
    createBlock(blank, value, { label: 'notes', ...settings })

  it('has what its creator says, and the defaults', () => {
    expect(of('\u{1f600}', { tags: ['t'], policies: { replace: 'strict' } })).toEqual({
      ok: true,
      value: {
        events: [
          {
            type: 'BlockCreated',
            payload: {
              intent: {
                label: 'notes',
                description: null,
                limit: 100_000,
                read_only: false,
                tags: ['t'],
                metadata: {},
                hidden: null,
                is_template: false,
                preserve_on_migration: false,
                project_id: null,
                template_name: null,
                policies: { rethink: 'overwrite', replace: 'strict', anchor_lost: 'end' },
                value: '\u{1f600}',
              },
              effect: [{ offset: 0, delete: 0, insert: '\u{1f600}' }],
              length: 1,
            },
          },
        ],
        receipt: null,
      },
    })
    const empty = of('', {})
    expect(empty.ok && empty.value.events[0]?.payload.effect).toEqual([])
  })

  it('is created once', () => {
    expect(createBlock(created('a'), 'a', { label: 'notes' })).toEqual({
      ok: false,
      rejection: {
        code: 'already_exists',
        detail: 'Block block-1 already exists',
        facts: { block_id: 'block-1' },
      },
    })
  })

  it('fits its limit', () => {
    expect(of('abc', { limit: 2 })).toMatchObject({
      ok: false,
      rejection: { code: 'limit_exceeded', facts: { limit: 2, would_be: 3, over_by: 1, left: 2 } },
    })
    expect(of('abc', { limit: 3 }).ok).toBe(true)
    expect(of('a'.repeat(100_001), {})).toMatchObject({
      ok: false,
      rejection: { facts: { limit: 100_000 } },
    })
  })

  it('needs a label that can be a tag', () => {
    expect(of('a', { label: '<a>' })).toMatchObject({
      ok: false,
      rejection: { code: 'invalid_label' },
    })
  })
})
