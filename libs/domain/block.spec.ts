import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  agent,
  attached,
  blind,
  code,
  configure,
  created,
  edited,
  insert,
  replace,
  rethink,
  storable,
} from '../../test/support/block-commands.js'
import { decideBlock } from './block.js'
import type { Writer } from './block-events.js'

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
        fc.array(line, { minLength: 1, maxLength: 12 }),
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
        expect(edited(created(value), replace('<<here>>', to)).value).toBe(`${before}${to}${end}`)
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
        const state = edited(created(from), rethink(to))
        expect(state.value).toBe(to)
        expect(state.length).toBe([...to].length)
      }),
    )
  })
})

describe('rights', () => {
  it('read-only binds agents on every path, and not the API', () => {
    const state = attached(created('a', { read_only: true }), 1)
    const asAgent: Writer = { actor: agent(1), baseVersion: null }
    const rename = configure({ label: 'other' })
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
