import { describe, expect, it } from '@jest/globals'
import { z } from 'zod'
import { Problem } from './problem.js'
import { absentOr, customIssue, id, integer, jsonObject, parseBody, text } from './validation.js'

function refusal(act: () => unknown): Problem {
  try {
    act()
  } catch (error) {
    if (error instanceof Problem) return error
  }
  throw new Error('nothing was refused')
}

function errorsOf(schema: z.ZodType, value: unknown): string[] {
  const { errors } = refusal(() => parseBody(schema, value))
  return errors.map((e) => `${e.pointer} ${e.code} ${e.message}`)
}

describe('a body that does not fit its schema', () => {
  it.each<[string, z.ZodType, unknown, string]>([
    ['a missing field', z.object({ a: text() }), {}, '/a invalid_type missing, expected a string'],
    [
      'null for a list',
      z.object({ a: z.array(text()) }),
      { a: null },
      '/a invalid_type expected a list',
    ],
    ['an item', z.array(z.boolean()), [true, 1], '/1 invalid_type expected true or false'],
    ['no integer', z.object({ a: integer() }), {}, '/a invalid_type missing, expected an integer'],
    ['a string', integer(), '1', ' invalid_type expected an integer'],
    ['a fraction', integer(), 1.5, ' invalid_type expected an integer'],
    ['too small', integer({ min: 1 }), 0, ' invalid_argument expected at least 1'],
    ['too long', z.string().max(2), 'abc', ' invalid_argument expected at most 2 characters'],
    ['too many', z.array(text()).max(1), ['a', 'b'], ' invalid_argument expected at most 1 items'],
    ['a choice', z.enum(['a', 'b']), 'c', ' invalid_argument expected "a" or "b"'],
    ['a number for a choice', z.enum(['a', 'b']), 1, ' invalid_type expected "a" or "b"'],
    ['a key to escape', z.strictObject({}), { 'a/b~': 1 }, '/a~1b~0 unknown_field unknown field'],
    ['NUL', text(), '\0', ' nul_not_allowed contains U+0000'],
    ['half a pair', text(), '\ud800', ' lone_surrogate contains half of a surrogate pair'],
    [
      'a key',
      jsonObject(),
      { a: [{ '\0': 1 }] },
      '/a/0/\0 nul_not_allowed the key contains U+0000',
    ],
    ['an id', id('block'), 'block-1', ' invalid_id is not the id of a block'],
  ])('%s is told where it is and what was expected', (_name, schema, value, expected) => {
    expect(errorsOf(schema, value)).toEqual([expected])
  })

  it('a rule of its own brings its own code', () => {
    const schema = z.object({ messages: z.array(z.unknown()) }).superRefine((value, context) => {
      if (value.messages.length > 0) return
      context.addIssue({ ...customIssue('empty_messages', 'is empty'), path: ['messages'] })
    })
    const problem = refusal(() => parseBody(schema, { messages: [] }))
    expect(problem.code).toBe('empty_messages')
    expect(problem.detail).toBe('1 field is not valid: /messages: is empty')
  })

  it('of a union, the form that came closest is explained', () => {
    const part = z.object({ type: z.literal('text'), text: text() })
    const schema = z.object({ content: z.union([text(), z.array(part)]) })
    expect(errorsOf(schema, { content: [{ type: 'text', text: 5 }] })).toEqual([
      '/content/0/text invalid_type expected a string',
    ])
    expect(errorsOf(schema, { content: 5 })).toHaveLength(1)
  })

  it('a part of a body is pointed to from the root', () => {
    const problem = refusal(() => parseBody(text(), 5, { pointerRoot: '/args' }))
    expect(problem.errors[0]?.pointer).toBe('/args')
  })

  it('hundreds of faults are counted, and some named', () => {
    const value = Array.from({ length: 500 }, () => 1)
    const { detail } = refusal(() => parseBody(z.array(text()), value))
    expect(detail).toMatch(/^500 fields are not valid: \/0: expected a string; .*; and 490 more$/)
  })
})

describe('a body that fits', () => {
  it('may be left out where every field may', () => {
    expect(parseBody(z.object({ a: absentOr(text()) }).optional(), undefined)).toBeUndefined()
    expect(refusal(() => parseBody(z.object({}), undefined)).code).toBe('body_required')
  })

  it('null in an optional field is as if it were absent', () => {
    expect(parseBody(z.object({ a: absentOr(integer()) }), { a: null })).toEqual({})
  })

  it('is searched for text that cannot be stored, even where its schema is not', () => {
    const loose = z.object({ anything: z.unknown() })
    const value = { anything: ['\ud800'] }
    expect(refusal(() => parseBody(loose, value)).code).toBe('lone_surrogate')
    expect(parseBody(loose, value, { anyText: true })).toEqual(value)
  })
})
