import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  ECHO_LENGTH_MAX,
  ERRORS,
  type ErrorCode,
  echo,
  errorSlug,
  hintFor,
  isErrorCode,
  rejection,
} from './errors.js'
import { length, slice } from './text.js'

const codes = Object.keys(ERRORS) as ErrorCode[]

describe('the table of errors', () => {
  it.each(codes)('says of %s what it is, what to do next, and under which status', (code) => {
    const { status, title, hint } = ERRORS[code]
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/)
    expect(title).toMatch(/^[A-Z].*[^.]$/)
    expect(hint).toMatch(/^[A-Z].*[.]$|^Send the ETag as it was returned/)
    expect(status).toBeGreaterThanOrEqual(400)
    expect(status).toBeLessThan(600)
  })

  it('says to wait where that helps, and nowhere else', () => {
    expect(codes.filter((code) => ERRORS[code].retry)).toEqual([
      'rate_limited',
      'quota_exceeded',
      'busy',
      'not_ready',
      'edit_lease_held',
      'idempotency_in_flight',
      'mailbox_full',
      'model_rate_limited',
    ])
    expect(codes.filter((code) => typeof ERRORS[code].retry !== 'boolean')).toEqual([])
  })

  it('has every code of a block, an agent and a turn under its status', () => {
    const under = (status: number) => codes.filter((code) => ERRORS[code].status === status)
    expect(under(409)).toEqual([
      'already_exists',
      'label_taken',
      'replace_no_match',
      'replace_ambiguous',
      'stale_base',
      'rethink_conflict',
      'revert_conflict',
      'anchor_lost',
      'anchor_ambiguous',
      'edit_lease_held',
      'limit_below_length',
      'idempotency_in_flight',
      'too_many_triggers',
      'too_many_schedules',
      'name_taken',
      'nothing_to_cancel',
      'run_not_failed',
      'unknown_tool_call',
      'agent_busy',
      'pending_approval',
    ])
    expect([under(412), under(428), under(403)]).toEqual([
      ['version_conflict'],
      ['base_version_required'],
      [
        'scope_missing',
        'ip_not_allowed',
        'block_read_only',
        'agent_not_attached',
        'right_missing',
        'tool_built_in',
      ],
    ])
  })

  it('knows its own codes and nothing else', () => {
    expect(codes.every(isErrorCode)).toBe(true)
    for (const other of ['', 'toString', '__proto__', 'Stale_base', 7, null, undefined, {}]) {
      expect(isErrorCode(other)).toBe(false)
    }
  })
})

describe('a rejection', () => {
  it('holds what it was given, and no more', () => {
    expect(rejection('gone', 'It is gone')).toEqual({
      code: 'gone',
      detail: 'It is gone',
      facts: {},
    })
    expect(rejection('gone', 'It is gone', { a: 1 }, { hint: 'Go.', atVersion: 3 })).toEqual({
      code: 'gone',
      detail: 'It is gone',
      facts: { a: 1 },
      hint: 'Go.',
      atVersion: 3,
    })
  })

  it('has a page of its own', () => {
    expect(errorSlug('replace_no_match')).toBe('replace-no-match')
    expect(new Set(codes.map(errorSlug)).size).toBe(codes.length)
  })

  it.each<[ErrorCode, Record<string, unknown> | undefined, string]>([
    [
      'limit_exceeded',
      { over_by: 1 },
      'Shorten the text by 1 character or raise the limit of the block.',
    ],
    [
      'limit_exceeded',
      { over_by: 2 },
      'Shorten the text by 2 characters or raise the limit of the block.',
    ],
    ['limit_exceeded', {}, ERRORS.limit_exceeded.hint],
    ['limit_exceeded', { actual: 3 }, ERRORS.limit_exceeded.hint],
    [
      'version_conflict',
      { actual: 9 },
      'Read the block, apply your change to version 9 and send it with the new ETag.',
    ],
    ['version_conflict', { over_by: 9 }, ERRORS.version_conflict.hint],
    ['gone', { over_by: 1, actual: 1 }, ERRORS.gone.hint],
    ['gone', undefined, ERRORS.gone.hint],
  ])('%s with %j hints at the numbers of its case', (code, facts, hint) => {
    expect(hintFor(code, facts)).toBe(hint)
  })
})

describe('an echo of a text', () => {
  it('is the text, or its beginning in whole characters and an ellipsis', () => {
    const unit = fc.constantFrom('a', '\u{1f600}', '\u0301')
    fc.assert(
      fc.property(
        fc.string({ unit, maxLength: 30 }),
        fc.integer({ min: 1, max: 15 }),
        (text, max) => {
          const expected = length(text) <= max ? text : `${slice(text, 0, max)}…`
          expect(echo(text, max)).toBe(expected)
        },
      ),
    )
  })

  it('has 200 characters at most, unless more are asked for', () => {
    const long = '\u{1f600}'.repeat(ECHO_LENGTH_MAX)
    expect(echo(long)).toBe(long)
    expect(echo(`${long}a`)).toBe(`${long}…`)
    expect(echo(`${long}a`, ECHO_LENGTH_MAX + 1)).toBe(`${long}a`)
  })
})
