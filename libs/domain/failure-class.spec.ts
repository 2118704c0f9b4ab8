import { describe, expect, it } from '@jest/globals'
import { failureCode, isPassing, refusalClass } from './failure-class.js'

describe('a message that was refused', () => {
  it.each([
    ['agent_not_found', 'NotFound'],
    ['gone', 'NotFound'],
    ['idempotency_key_reused', 'Conflict'],
    ['already_exists', 'Conflict'],
    ['agent_busy', 'Rejected'],
    ['mailbox_full', 'Rejected'],
    ['unknown_field', 'Invalid'],
  ] as const)('for %s is %s', (code, failureClass) => {
    expect(refusalClass(code)).toBe(failureClass)
  })
})

describe('a turn that failed', () => {
  it('has a code of the table where there is one, else its class', () => {
    expect(failureCode('Provider.RateLimited')).toBe('model_rate_limited')
    expect(failureCode('Provider.Refused')).toBe('model_unavailable')
    expect(failureCode('Deadline')).toBe('Deadline')
  })

  it('may succeed later only where its provider was in the way', () => {
    const classes = ['Provider.RateLimited', 'Provider.Overloaded', 'Provider.Timeout']
    expect(classes.every(isPassing)).toBe(true)
    expect(['Provider.Refused', 'Poison', 'Deadline', 'Cancelled'].some(isPassing)).toBe(false)
  })
})
