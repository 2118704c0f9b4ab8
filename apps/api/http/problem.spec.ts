import { describe, expect, it } from '@jest/globals'
import { ERRORS, type ErrorCode, errorSlug, rejection } from '#domain/errors.js'
import { Problem, problemBody, problemHeaders } from './problem.js'

const BLOCK = 'block-a46ef94a-4480-4bc6-af91-5d24d141b3eb'

describe('a problem document', () => {
  it('tells a refused command with its facts, its versions and a hint that has the numbers', () => {
    const detail = 'Edit failed: Exceeds 4000 character limit (requested 4012)'
    const facts = { block_id: BLOCK, limit: 4000, would_be: 4012, over_by: 12, left: 3853 }
    const refused = rejection('limit_exceeded', detail, facts, { atVersion: 5 })
    expect(problemBody(Problem.of(refused), 'req-1')).toEqual({
      type: '/docs/errors/limit-exceeded',
      title: 'The block would exceed its limit',
      status: 422,
      code: 'limit_exceeded',
      detail,
      message: detail,
      hint: 'Shorten the text by 12 characters or raise the limit of the block.',
      block_id: BLOCK,
      at_version: 5,
      limit: 4000,
      would_be: 4012,
      over_by: 12,
      left: 3853,
      request_id: 'req-1',
    })
  })

  it('tells a failed precondition with the version to use', () => {
    const detail = 'If-Match named version 4; block organization is at version 5'
    const refused = rejection('version_conflict', detail, {
      block_id: BLOCK,
      expected: 4,
      actual: 5,
    })
    const problem = Problem.of(refused, 4)
    expect(problemBody(problem, 'req-1')).toMatchObject({
      title: 'The block has changed',
      status: 412,
      hint: 'Read the block, apply your change to version 5 and send it with the new ETag.',
      base_version: 4,
    })
    expect(problemHeaders(problem)).toEqual({ 'x-should-retry': 'false' })
  })

  it('points to the parameter a rejection names', () => {
    const refused = rejection('empty_text', 'new_string is empty', { parameter: 'new_string' })
    const body = problemBody(Problem.of(refused), 'req-1')
    expect(body.errors).toEqual([
      { pointer: '/new_string', code: 'empty_text', message: 'new_string is empty' },
    ])
    expect(body).not.toHaveProperty('parameter')
  })

  it('no fact can stand in for a member of its own', () => {
    const facts = { status: 200, code: 'fine', detail: 'fine', request_id: 'forged' }
    expect(problemBody(new Problem('gone', 'It was deleted', { facts }), 'req-1')).toMatchObject({
      status: 404,
      code: 'gone',
      detail: 'It was deleted',
      request_id: 'req-1',
    })
  })

  it('says a long text of the caller back only in part', () => {
    const long = '😀'.repeat(100_000)
    const errors = [{ pointer: `/${long}`, code: 'unknown_field', message: long }] as const
    const body = JSON.stringify(
      problemBody(new Problem('unknown_field', long, { errors }), 'req-1'),
    )
    expect(Buffer.byteLength(body)).toBeLessThan(20_000)
  })
})

describe('the table of codes', () => {
  const codes = Object.keys(ERRORS) as ErrorCode[]

  it.each(codes)('%s has a status, a title, a hint and a page', (code) => {
    const { status, title, hint } = ERRORS[code]
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/)
    expect(errorSlug(code)).toMatch(/^[a-z]+(-[a-z]+)*$/)
    expect(status).toBeGreaterThanOrEqual(400)
    expect(title.length * hint.length).toBeGreaterThan(0)
  })

  it('a conflict says whether waiting helps, and only codes that waiting mends say yes', () => {
    const retried = codes.filter((code) => {
      const headers = problemHeaders(new Problem(code, 'x'))
      if ([409, 412].includes(ERRORS[code].status)) expect(headers).toHaveProperty('x-should-retry')
      return headers['x-should-retry'] === 'true'
    })
    expect(retried.sort()).toEqual([
      'busy',
      'edit_lease_held',
      'idempotency_in_flight',
      'mailbox_full',
      'model_rate_limited',
      'not_ready',
      'quota_exceeded',
      'rate_limited',
    ])
  })
})
