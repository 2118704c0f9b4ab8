import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  agent,
  attached,
  blind,
  configure,
  created,
  edited,
  insert,
  now,
  recorded,
  replace,
  rethink,
  saw,
  user,
} from '../../test/support/block-commands.js'
import { anyText, effectOn, wantedEdits } from '../../test/support/texts.js'
import type { BlockEvent } from './block-events.js'
import { changesSince, REMEMBERED_MIN, textAt } from './block-memory.js'
import {
  type BlockState,
  changeOf,
  evolveBlock,
  evolveBlockAll,
  initialBlock,
  isEdit,
  lookBackTo,
  reference,
  unseen,
} from './block-state.js'
import type { Foldable } from './event.js'
import { apply, measure, type Splice } from './text.js'

const at = (version: number, event: { type: string; payload: object }, runId?: string) =>
  ({
    ...event,
    version,
    actor: user,
    correlation: runId ? { run_id: runId } : null,
    recordedAt: now,
  }) as unknown as Foldable<BlockEvent>
const edit = (version: number, effect: readonly Splice[], type = 'TextReplaced') =>
  at(version, { type, payload: { effect } })
const set = (version: number) =>
  at(version, {
    type: 'BlockConfigured',
    payload: { intent: { limit: { from: 1, to: version } }, effect: [] },
  })

describe('the fold of a block', () => {
  it('is empty before there is an event', () => {
    expect(initialBlock('block-1')).toEqual({
      id: 'block-1',
      version: 0,
      deleted: false,
      value: '',
      length: 0,
      feeds: 0,
      settings: {
        label: '',
        description: null,
        limit: 100_000,
        read_only: false,
        tags: [],
        metadata: {},
        hidden: null,
        is_template: false,
        preserve_on_migration: false,
        project_id: null,
        template_name: null,
        policies: { rethink: 'overwrite', replace: 'text', anchor_lost: 'end' },
      },
      attached: {},
      createdAt: '',
      createdBy: null,
      memory: { start: { version: 0, value: '' }, newest: null, count: 0, earlier: null },
    })
  })

  it('of a new block has its text, its settings, and who made it', () => {
    const state = created('a\n\u{1f600}', { tags: ['t'] })
    expect(state).toMatchObject({
      version: 1,
      value: 'a\n\u{1f600}',
      length: 3,
      feeds: 1,
      createdAt: now,
      createdBy: user,
    })
    expect(state.settings).toMatchObject({ label: 'notes', tags: ['t'] })
    expect(state.settings).not.toHaveProperty('value')
    expect(state.memory).toEqual({
      start: { version: 1, value: 'a\n\u{1f600}' },
      newest: null,
      count: 0,
      earlier: null,
    })
    const old = at(1, {
      type: 'BlockCreated',
      payload: { intent: { label: 'l', value: '' }, effect: [] },
    })
    expect(evolveBlock(initialBlock('block-1'), old).settings).toEqual({
      ...initialBlock('b').settings,
      label: 'l',
    })
  })

  it('has at every version the text of the effects up to there, and nothing else changes with it', () => {
    const types = [
      'TextInserted',
      'TextReplaced',
      'BlockRethought',
      'EditReverted',
      'BlockRestored',
    ]
    const what = fc.array(fc.tuple(wantedEdits, fc.constantFrom(...types)), { maxLength: 12 })
    fc.assert(
      fc.property(anyText, what, (value, edits) => {
        const start = attached(created(value), 1, 'insert')
        let state = start
        let text = value
        for (const [wanted, type] of edits) {
          const effect = effectOn(text, wanted)
          text = apply(text, effect)
          state = evolveBlock(state, edit(state.version + 1, effect, type))
          expect(state).toMatchObject(measure(text))
        }
        const { memory: _, ...rest } = state
        const { memory: __, ...before } = start
        expect(rest).toEqual({ ...before, ...measure(text), version: 2 + edits.length })
      }),
    )
  })

  it('of a run of events is what they give one by one', () => {
    const kind = fc.tuple(
      fc.boolean(),
      fc.nat(50),
      fc.nat(3),
      fc.constantFrom('a', '\n', '\u{1f600}', 'bc', ''),
    )
    fc.assert(
      fc.property(fc.array(kind, { maxLength: 220, size: 'max' }), fc.nat(), (kinds, any) => {
        const start = created('start')
        let text = 'start'
        const values = [text, text]
        const events = kinds.map(([settings, place, count, insert], i) => {
          if (settings && place < 3) {
            values.push(text)
            return set(i + 2)
          }
          const effect = effectOn(text, [[place, count, insert]])
          text = apply(text, effect)
          values.push(text)
          return edit(i + 2, effect)
        })
        const all = evolveBlockAll(start, events)
        const { memory, ...state } = events.reduce<BlockState>(evolveBlock, start)
        expect({ ...all, memory: null }).toEqual({ ...state, memory: null })
        const known = changesSince(all.memory, 0)
        const wanted = changesSince(memory, 0)
        const least = Math.min(wanted.length, REMEMBERED_MIN)
        expect(known.slice(-least)).toEqual(wanted.slice(-least))
        for (const { version } of [known[0], known[any % known.length], known.at(-1)].filter(
          (c) => !!c,
        )) {
          expect(textAt(all.memory, version)).toBe(values[version])
        }
      }),
      { numRuns: 30 },
    )
  })

  it.each([0, 1, REMEMBERED_MIN, REMEMBERED_MIN + 1, 2 * REMEMBERED_MIN, 3 * REMEMBERED_MIN])(
    'of a run of %i edits remembers the newest, and where they begin',
    (count) => {
      const events = Array.from({ length: count }, (_, i) =>
        edit(i + 2, [{ offset: 0, delete: 0, insert: 'x' }]),
      )
      const { memory } = evolveBlockAll(created(''), events)
      const known = changesSince(memory, 0)
      expect(known.length).toBe(Math.min(count, REMEMBERED_MIN))
      expect(known.at(-1)?.version).toBe(count === 0 ? undefined : count + 1)
      expect(memory.start.version).toBe(count - known.length + 1)
      expect(memory.start.value).toBe('x'.repeat(count - known.length))
    },
  )

  it('keeps attachments by agent, with their rights', () => {
    const two = attached(attached(created('a'), 1), 2, 'read')
    expect(two.attached).toEqual({ 'agent-1': 'edit', 'agent-2': 'read' })
    const intent = { agent_id: agent(2).id, right: { from: 'read', to: 'insert' } }
    const changed = evolveBlock(
      two,
      at(4, { type: 'RightChanged', payload: { intent, effect: [] } }),
    )
    expect(changed).toEqual({
      ...two,
      version: 4,
      attached: { 'agent-1': 'edit', 'agent-2': 'insert' },
    })
    const gone = evolveBlock(
      changed,
      at(5, { type: 'AgentDetached', payload: { intent: { agent_id: 'agent-1' }, effect: [] } }),
    )
    expect(gone).toEqual({ ...changed, version: 5, attached: { 'agent-2': 'insert' } })
    const deleted = evolveBlock(
      gone,
      at(6, { type: 'BlockDeleted', payload: { intent: { reason: null }, effect: [] } }),
    )
    expect(deleted).toEqual({ ...gone, version: 6, deleted: true, attached: {} })
  })

  it('changes nothing in place', () => {
    const state = attached(created('a'), 1)
    const copy = structuredClone(state)
    edited(edited(state, configure({ limit: 5, label: 'x' })), replace('a', 'b'))
    evolveBlock(
      state,
      at(3, { type: 'AgentDetached', payload: { intent: { agent_id: 'agent-1' }, effect: [] } }),
    )
    expect(state).toEqual(copy)
  })
})

describe('a change of the text', () => {
  it('is told with who made it, when and in which turn', () => {
    const state = created('a')
    const effect = [{ offset: 1, delete: 0, insert: '\nb' }]
    const payload = { intent: { text: 'b', place: { at: 'end' as const } }, effect, length: 3 }
    const event = recorded(state, { type: 'TextInserted', payload }, saw(state, 3))
    expect(isEdit(event)).toBe(true)
    expect(changeOf(event as never)).toEqual({
      version: 2,
      actor: saw(state, 3).actor,
      type: 'TextInserted',
      at: now,
      runId: 'run-3',
      effect,
    })
    expect(changeOf(edit(2, []) as never).runId).toBeNull()
    expect(isEdit(set(2))).toBe(false)
  })

  it('is referred to without its text', () => {
    const change = changeOf(edit(7, [{ offset: 0, delete: 0, insert: 'secret' }]) as never)
    expect(reference(change)).toEqual({ version: 7, actor: user, type: 'TextReplaced' })
  })

  it('is unseen after the base version, unless the own turn made it', () => {
    const start = created('a')
    const one = edited(start, insert('b'), saw(start, 1))
    const two = edited(one, rethink('c'), saw(one, 2))
    const three = edited(two, insert('d'), blind)
    const versions = (baseVersion: number | null, runId: string | null) =>
      unseen(three, { actor: user, baseVersion, runId }).map(({ version }) => version)
    expect(versions(1, null)).toEqual([2, 3, 4])
    expect(versions(1, 'run-1')).toEqual([3, 4])
    expect(versions(2, 'run-1')).toEqual([3, 4])
    expect(versions(3, 'run-2')).toEqual([4])
    expect(versions(4, null)).toEqual([])
    expect(versions(null, 'run-1')).toEqual([])
  })

  it('is looked back for at most 10,000 versions', () => {
    const state = { ...created('a'), version: 10_005 }
    expect([1, 5, 6, 10_005].map((version) => lookBackTo(state, version))).toEqual([
      5, 5, 6, 10_005,
    ])
  })
})
