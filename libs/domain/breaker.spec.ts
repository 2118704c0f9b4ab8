import { describe, expect, it } from '@jest/globals'
import {
  admit,
  type BreakerState,
  type CallOutcome,
  CLOSED,
  FAILURES_MAX,
  LOOK_AGAIN_MS,
  OPEN_MS_MAX,
  OPEN_MS_MIN,
  PROBE_MS,
  settle,
} from './breaker.js'

const NOW = 1_000_000
const ANSWERED: CallOutcome = { type: 'answered' }
const FAILED: CallOutcome = { type: 'failed' }
const limited = (retryAfterMs: number | null = null): CallOutcome => ({
  type: 'limited',
  retryAfterMs,
})

/** What a breaker is after calls that ended so, all at one moment. */
const given = (...outcomes: readonly CallOutcome[]): BreakerState =>
  outcomes.reduce((state, outcome) => settle(state, outcome, NOW), CLOSED)
const opening = (state: BreakerState) => (state.openUntil ?? NOW) - NOW

describe('a breaker', () => {
  it('lets everybody through while it is closed, and nothing is written for an answer', () => {
    expect(admit(CLOSED, NOW)).toEqual({ admitted: true, state: CLOSED })
    expect(settle(CLOSED, ANSWERED, NOW)).toBe(CLOSED)
  })

  it('is opened by a limit for as long as the provider asks, up to ten minutes', () => {
    expect(opening(given(limited(7_000)))).toBe(7_000)
    expect(opening(given(limited(3_600_000)))).toBe(600_000)
    expect(opening(given(limited()))).toBe(OPEN_MS_MIN)
    expect(admit(given(limited(7_000)), NOW + 6_999)).toEqual({
      admitted: false,
      until: NOW + 7_000,
    })
  })

  it('is opened by failures in a row; an answer between them begins the count again', () => {
    const failures = Array.from({ length: FAILURES_MAX - 1 }, () => FAILED)
    expect(given(...failures).openUntil).toBeNull()
    expect(opening(given(...failures, FAILED))).toBe(OPEN_MS_MIN)
    expect(given(...failures, ANSWERED, FAILED)).toEqual({ ...CLOSED, failures: 1 })
  })

  it('lets one caller try when its time has passed; the others look again', () => {
    const open = given(limited(1_000))
    const then = NOW + 1_000
    const first = admit(open, then)
    if (!first.admitted) throw new Error('nobody may try')
    expect(admit(first.state, then)).toEqual({ admitted: false, until: then + LOOK_AGAIN_MS })
    const late = then + PROBE_MS - 1
    expect(admit(first.state, late)).toEqual({ admitted: false, until: then + PROBE_MS })
    expect(admit(first.state, then + PROBE_MS).admitted).toBe(true)
    const left = settle(first.state, { type: 'abandoned' }, then)
    expect(admit(left, then).admitted).toBe(true)
  })

  it('closes when the one who tried is answered, and opens for longer each time when not', () => {
    let state = given(limited())
    const lengths = []
    for (let i = 0; i < 8; i++) {
      const now = state.openUntil as number
      const tried = admit(state, now)
      if (!tried.admitted) throw new Error('nobody may try')
      expect(settle(tried.state, ANSWERED, now)).toEqual(CLOSED)
      state = settle(tried.state, FAILED, now)
      lengths.push((state.openUntil as number) - now)
    }
    expect(lengths.slice(0, 3)).toEqual([2_000, 4_000, 8_000])
    expect(lengths.at(-1)).toBe(OPEN_MS_MAX)
  })

  it('is not closed, nor opened once more, by calls made before it was opened', () => {
    const open = given(limited(5_000))
    expect(settle(open, ANSWERED, NOW + 1)).toBe(open)
    expect(settle(open, FAILED, NOW + 1)).toBe(open)
    const again = settle(open, limited(1_000), NOW + 1)
    expect(again).toEqual(open)
    expect(opening(settle(open, limited(9_000), NOW))).toBe(9_000)
  })
})
