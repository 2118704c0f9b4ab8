import { describe, expect, it } from '@jest/globals'
import { retryAfterMs } from './model-failure.js'

const NOW = Date.parse('2026-01-01T00:00:00Z')

describe('the wait a provider asks for', () => {
  it.each([
    ['retry-after-ms', '250', 250],
    ['retry-after', '2', 2_000],
    ['retry-after', '0.5', 500],
    ['retry-after', 'Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
    ['retry-after', 'Wed, 31 Dec 2025 23:59:00 GMT', 0],
    ['retry-after', 'soon', null],
    ['x-ratelimit-reset', '6m0s', 360_000],
    ['x-ratelimit-reset', '20ms', 20],
    ['x-ratelimit-reset', '12', 12_000],
    ['x-ratelimit-reset', String(NOW / 1_000 + 5), 5_000],
    ['x-ratelimit-reset', String(NOW + 1_500), 1_500],
    ['x-other', '1', null],
  ])('%s: %s is %s ms', (name, value, expected) => {
    expect(retryAfterMs(new Headers({ [name]: value }), NOW)).toBe(expected)
  })
})
