import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  accepted,
  blind,
  code,
  created,
  edited,
  refusal,
  replace,
  saw,
} from '../../test/support/block-commands.js'
import { anyText } from '../../test/support/texts.js'
import type { BlockPolicies } from './block-events.js'

const MARK = '<<here>>'
const unmarked = anyText.filter((text) => !text.includes('<'))
const strictly = { policies: { replace: 'strict' as const } }
const policies: BlockPolicies['replace'][] = ['text', 'strict']
const started = (value: string, policy: BlockPolicies['replace']) =>
  created(value, { policies: { replace: policy } })

describe('a replace', () => {
  it('changes nothing outside its one place, whatever the text, the words and the policy', () => {
    fc.assert(
      fc.property(
        unmarked,
        anyText,
        unmarked,
        fc.constantFrom(...policies),
        fc.boolean(),
        (before, to, after, policy, told) => {
          const state = started(`${before}${MARK}${after}`, policy)
          const { events, receipt } = accepted(state, replace(MARK, to), told ? saw(state) : blind)
          const effect = [{ offset: [...before].length, delete: MARK.length, insert: to }]
          const length = [...before, ...to, ...after].length
          const line = before.split('\n').length
          expect(receipt).toEqual({ matched: 'exact', places: 1, line, unseen: [] })
          expect(events).toEqual([
            {
              type: 'TextReplaced',
              payload: { intent: { old: MARK, new: to }, effect, receipt, length },
            },
          ])
          expect(edited(state, replace(MARK, to)).value).toBe(`${before}${to}${after}`)
        },
      ),
    )
  })

  it('counts overlapping places, so an ambiguous text is never changed', () => {
    expect(refusal(created('aaa\nb'), replace('aa', 'b'))).toEqual({
      code: 'replace_ambiguous',
      detail:
        'No replacement was performed. Multiple occurrences of old_string `aa` in lines [1]. Please ensure it is unique.',
      facts: {
        block_id: 'block-1',
        match_count: 2,
        matches: [
          { line: 1, offset: 0, context: 'aaa' },
          { line: 1, offset: 1, context: 'aaa' },
        ],
      },
      atVersion: 1,
    })
  })

  it('of words by themselves changes nothing, once it has passed every check', () => {
    const state = created('a b', { limit: 3 })
    expect(accepted(state, replace('a', 'a'))).toEqual({ events: [], receipt: null })
    expect(accepted(state, replace('a', 'a', true))).toEqual({ events: [], receipt: null })
    expect(code(state, replace('c', 'c'))).toBe('replace_no_match')
    expect(code(created('aa'), replace('a', 'a'))).toBe('replace_ambiguous')
    expect(code({ ...state, settings: { ...state.settings, limit: 2 } }, replace('a', 'a'))).toBe(
      'limit_exceeded',
    )
  })

  it('is held to the limit, in code points', () => {
    const state = created('\u{1f600}b', { limit: 3 })
    expect(edited(state, replace('b', '\u{1f600}\u{1f600}')).length).toBe(3)
    expect(refusal(state, replace('b', '123'))).toEqual({
      code: 'limit_exceeded',
      detail: 'Edit failed: Exceeds 3 character limit (requested 4)',
      facts: { block_id: 'block-1', limit: 3, would_be: 4, over_by: 1, left: 1 },
      atVersion: 1,
    })
    expect(code(state, replace('b', ''))).toBeNull()
  })
})

describe('a replace of every place', () => {
  it('goes left to right without overlap, and tells how many there were', () => {
    const state = created('x\naaaa a')
    expect(accepted(state, replace('aa', 'b', true))).toEqual({
      events: [
        {
          type: 'TextReplaced',
          payload: {
            intent: { old: 'aa', new: 'b', all: true },
            effect: [
              { offset: 2, delete: 2, insert: 'b' },
              { offset: 3, delete: 2, insert: 'b' },
            ],
            receipt: { matched: 'exact', places: 2, line: 2, unseen: [] },
            length: 6,
          },
        },
      ],
      receipt: { matched: 'exact', places: 2, line: 2, unseen: [] },
    })
  })

  it('gives what splitting and joining gives, for any text', () => {
    fc.assert(
      fc.property(anyText, anyText.filter(Boolean), anyText, (value, old, to) => {
        fc.pre(value.includes(old))
        const state = edited(created(value), replace(old, to, true))
        expect(state.value).toBe(value.split(old).join(to))
        expect(state.length).toBe([...state.value].length)
      }),
    )
  })

  it('without a place is refused in the words of the classic tool', () => {
    expect(refusal(created('abc'), replace('zz', 'x', true))).toEqual({
      code: 'replace_no_match',
      detail: "Old content 'zz' not found in memory block 'notes'",
      facts: { block_id: 'block-1' },
      atVersion: 1,
    })
  })

  it('is judged by the limit with all its places', () => {
    expect(refusal(created('aaa', { limit: 5 }), replace('a', 'bb', true)).facts).toMatchObject({
      would_be: 6,
    })
  })
})

describe('a text that is not there', () => {
  it.each([
    ['line_endings', 'a\r\nb', 'a\nb'],
    ['line_endings', 'a\nb', 'a\r\nb'],
    ['normal_form', 'caf\u00e9', 'cafe\u0301'],
    ['whitespace', 'a  b', 'a b'],
    ['whitespace', 'a b', ' a\t b '],
    ['whitespace', 'a\n\nb', 'a b'],
  ])('but for its %s is said to be: %j is not %j', (kind, value, old) => {
    expect(refusal(created(value), replace(old, 'x')).facts).toMatchObject({
      differs_only_in: kind,
    })
  })

  it('in any form is not said to be there in another', () => {
    for (const [value, old] of [
      ['abc', 'abd'],
      ['a', ' '],
      ['ABC', 'abc'],
    ] as const) {
      expect(refusal(created(value), replace(old, 'x')).facts).not.toHaveProperty('differs_only_in')
    }
  })

  it('is said back shortened', () => {
    expect(refusal(created('a'), replace('b'.repeat(300), 'x')).detail).toBe(
      `No replacement was performed, old_string \`${'b'.repeat(200)}…\` did not appear verbatim in memory block with label \`notes\`.`,
    )
  })
})

describe('a text that stands too often', () => {
  it('is told by its first 20 places, 100 lines, and 200 characters of each line', () => {
    const line = `\u{1f600}${'-'.repeat(300)}`
    const { facts, detail } = refusal(
      created(Array(101).fill(line).join('\n')),
      replace('\u{1f600}', 'x'),
    )
    const matches = Array.from({ length: 20 }, (_, i) => ({
      line: i + 1,
      offset: i * 302,
      context: `\u{1f600}${'-'.repeat(199)}`,
    }))
    expect(facts).toEqual({ block_id: 'block-1', match_count: 101, matches })
    const lines = [...Array.from({ length: 100 }, (_, i) => i + 1), '…'].join(', ')
    expect(detail).toContain(` in lines [${lines}]. `)
    const hundred = refusal(created(Array(100).fill('a').join('\n')), replace('a', 'x')).detail
    expect(hundred).toContain(', 99, 100]. ')
  })
})

it('two agents replacing the same words: exactly one succeeds, whatever the order', () => {
  const start = created('status: draft', strictly)
  for (const [first, second] of [
    ['FINAL', 'review'],
    ['review', 'FINAL'],
  ] as const) {
    const won = edited(start, replace('draft', first), saw(start, 1))
    expect(won.value).toBe(`status: ${first}`)
    expect(refusal(won, replace('draft', second), saw(start, 2))).toMatchObject({
      code: 'replace_no_match',
      facts: { last_changed_by: { version: 2, actor: saw(start, 1).actor }, unseen: [2] },
    })
  }
})
