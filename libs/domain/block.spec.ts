import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { createBlock, decideBlock } from './block.js'
import type { BlockCommand, BlockEvent, Writer } from './block-events.js'
import { type BlockState, evolveBlock, initialBlock } from './block-state.js'
import { draft } from './draft.js'
import type { Recorded } from './event.js'

const now = '2026-01-05T09:00:00.000Z'
const user = { kind: 'user', id: 'local' } as const
const agent = (n: number) => ({ kind: 'agent', id: `agent-${n}`, name: `agent${n}` }) as const
const blind: Writer = { actor: user, baseVersion: null }

function created(
  value: string,
  settings: { limit?: number; read_only?: boolean } = {},
): BlockState {
  const state = initialBlock('block-1')
  const decided = createBlock(state, value, { label: 'notes', ...settings })
  if (!decided.ok) throw new Error(decided.rejection.detail)
  return draft(state, decided.value.events, { actor: user, now })
}

function attached(
  state: BlockState,
  n: number,
  right: 'read' | 'insert' | 'edit' = 'edit',
): BlockState {
  const event: BlockEvent = {
    type: 'AgentAttached',
    payload: { intent: { agent_id: agent(n).id, right }, effect: [], length: state.length },
  }
  return draft(state, [event], { actor: user, now })
}

const insert = (text: string, line?: number): BlockCommand => ({
  type: 'InsertText',
  text,
  place: line === undefined ? { at: 'end' } : { at: 'line', line },
  numbered: true,
})
const replace = (old: string, to: string): BlockCommand => ({
  type: 'ReplaceText',
  old,
  new: to,
  all: false,
  numbered: true,
})
const rethink = (text: string): BlockCommand => ({ type: 'RethinkBlock', text, numbered: true })

function edited(state: BlockState, command: BlockCommand, writer: Writer = blind): BlockState {
  const decided = decideBlock(state, command, writer)
  if (!decided.ok) throw new Error(`${decided.rejection.code}: ${decided.rejection.detail}`)
  return decided.value.events.reduce((s, event) => {
    const correlation = writer.runId ? { run_id: writer.runId } : null
    const recorded: Recorded<BlockEvent> = {
      ...event,
      version: s.version + 1,
      actor: writer.actor,
      commandId: '',
      correlation,
      baseVersion: writer.baseVersion,
      recordedAt: now,
    }
    return evolveBlock(s, recorded)
  }, state)
}

function code(state: BlockState, command: BlockCommand, writer: Writer = blind): string | null {
  const decided = decideBlock(state, command, writer)
  return decided.ok ? null : decided.rejection.code
}

describe('insert', () => {
  it('keeps every end-insert of any order once, over the same prefix, each as one piece', () => {
    const texts = fc.uniqueArray(fc.string({ minLength: 1, unit: 'grapheme' }).filter(storable), {
      maxLength: 6,
    })
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }).filter(storable), texts, (prefix, added) => {
        const start = created(prefix)
        const value = added.reduce((state, text) => edited(state, insert(text)), start).value
        const expected = prefix === '' ? added.join('\n') : [prefix, ...added].join('\n')
        expect(value).toBe(expected)
      }),
    )
  })

  it('at any line leaves every other line as it was', () => {
    const line = fc.string({ unit: 'binary' }).filter((s) => storable(s) && !s.includes('\n'))
    fc.assert(
      fc.property(
        fc.array(line, { minLength: 1 }),
        line.filter(Boolean),
        fc.nat(),
        (all, added, n) => {
          const value = all.join('\n')
          if (value === '') return
          const at = n % (all.length + 1)
          const expected = [...all.slice(0, at), added, ...all.slice(at)].join('\n')
          expect(edited(created(value), insert(added, at)).value).toBe(expected)
        },
      ),
    )
  })

  it('is refused for the limit alone, and told how much is left', () => {
    const decided = decideBlock(created('1234', { limit: 6 }), insert('56'), blind)
    expect(decided).toMatchObject({
      ok: false,
      rejection: {
        code: 'limit_exceeded',
        atVersion: 1,
        facts: { over_by: 1, left: 2, would_be: 7 },
      },
    })
  })
})

describe('replace', () => {
  it('two agents replacing the same words: exactly one succeeds, the other is told who changed them', () => {
    const start = attached(attached(created('status: draft'), 1), 2)
    const first: Writer = { actor: agent(1), baseVersion: start.version, runId: 'run-1' }
    const changed = edited(start, replace('draft', 'FINAL'), first)
    const second: Writer = { actor: agent(2), baseVersion: start.version, runId: 'run-2' }
    const decided = decideBlock(changed, replace('draft', 'in review'), second)
    expect(decided).toMatchObject({
      ok: false,
      rejection: {
        code: 'replace_no_match',
        atVersion: 4,
        facts: { last_changed_by: { version: 4, actor: agent(1) }, unseen: [4], base_version: 3 },
      },
    })
  })

  it('changes nothing outside its one match', () => {
    const part = fc.string({ unit: 'binary' }).filter(storable)
    fc.assert(
      fc.property(part, part, part, (before, to, end) => {
        const value = `${before}<<here>>${end}`
        fc.pre(!`${before}${end}`.includes('<<here>>'))
        expect(
          edited(created(value), { ...replace('<<here>>', to), numbered: false } as BlockCommand)
            .value,
        ).toBe(`${before}${to}${end}`)
      }),
    )
  })

  it('counts overlapping places, so an ambiguous text is never changed', () => {
    expect(code(created('aaa'), replace('aa', 'b'))).toBe('replace_ambiguous')
  })
})

describe('rethink', () => {
  it('over a line inserted meanwhile leaves a receipt that names it; its own turn is never unseen', () => {
    const start = attached(attached(created('a'), 1), 2)
    const inserted = edited(start, insert('b'), { actor: agent(2), baseVersion: 3, runId: 'run-2' })
    const decided = decideBlock(inserted, rethink('c'), {
      actor: agent(1),
      baseVersion: 3,
      runId: 'run-1',
    })
    expect(decided).toMatchObject({
      ok: true,
      value: { receipt: { overwrote: [{ version: 4, actor: agent(2), type: 'TextInserted' }] } },
    })
    const own = decideBlock(inserted, rethink('c'), {
      actor: agent(2),
      baseVersion: 3,
      runId: 'run-2',
    })
    expect(own).toMatchObject({ ok: true, value: { receipt: { overwrote: [] } } })
  })

  it('to any text from any text is undone by nothing: the fold of the effect is the text', () => {
    const any = fc.string({ unit: 'binary' }).filter(storable)
    fc.assert(
      fc.property(any, any, (from, to) => {
        const state = edited(created(from), { type: 'RethinkBlock', text: to, numbered: false })
        expect(state.value).toBe(to)
        expect(state.length).toBe([...to].length)
      }),
    )
  })
})

describe('rights', () => {
  const rows: [
    right: 'read' | 'insert' | 'edit',
    command: BlockCommand,
    expected: string | null,
  ][] = [
    ['read', insert('x'), 'right_missing'],
    ['read', replace('a', 'b'), 'right_missing'],
    ['insert', insert('x'), null],
    ['insert', replace('a', 'b'), 'right_missing'],
    ['insert', rethink('x'), 'right_missing'],
    ['edit', insert('x'), null],
    ['edit', rethink('x'), null],
  ]
  it.each(rows)('with the right to %s, %j comes to %s', (right, command, expected) => {
    expect(
      code(attached(created('a'), 1, right), command, { actor: agent(1), baseVersion: null }),
    ).toBe(expected)
  })

  it('read-only binds agents on every path, and not the API', () => {
    const state = attached(created('a', { read_only: true }), 1)
    const asAgent: Writer = { actor: agent(1), baseVersion: null }
    const rename: BlockCommand = { type: 'PatchBlock', settings: { label: 'other' } }
    for (const command of [insert('x'), replace('a', 'b'), rethink('x'), rename]) {
      expect(code(state, command, asAgent)).toBe('block_read_only')
      expect(code(state, command)).toBeNull()
    }
  })

  it('an agent edits no block it is not attached to', () => {
    expect(code(created('a'), insert('x'), { actor: agent(1), baseVersion: null })).toBe(
      'agent_not_attached',
    )
  })
})

describe('a PATCH', () => {
  const patch = (value: string | undefined, settings: object): BlockCommand =>
    ({ type: 'PatchBlock', ...(value === undefined ? {} : { value }), settings }) as BlockCommand

  it('with value and limit is judged by the new limit, in one commit', () => {
    const state = edited(created('abc', { limit: 3 }), patch('abcdef', { limit: 6 }))
    expect([state.value, state.settings.limit, state.version]).toEqual(['abcdef', 6, 3])
  })

  it('that lowers the limit below the text is refused', () => {
    expect(code(created('abc'), patch(undefined, { limit: 2 }))).toBe('limit_below_length')
  })

  it('that changes nothing makes no event', () => {
    expect(edited(created('abc'), patch('abc', { label: 'notes' })).version).toBe(1)
  })

  it('under an If-Match of another version changes nothing', () => {
    expect(code(created('abc'), patch('x', {}), { ...blind, ifMatch: 7 })).toBe('version_conflict')
  })
})

it('a base version from the future is refused', () => {
  expect(code(created('a'), insert('x'), { actor: user, baseVersion: 2 })).toBe(
    'version_from_future',
  )
})

function storable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0') && !/\p{Nd}+→/u.test(text)
}
