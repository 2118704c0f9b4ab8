import { describe, expect, it } from '@jest/globals'
import { ModelFailure, type ModelFailureClass } from './ports.js'
import { MODEL_ATTEMPTS_MAX, PAUSE_MS_MAX, PAUSE_MS_MIN, pauseBeforeRetry } from './retry.js'

const failure = (failureClass: ModelFailureClass, retryAfterMs: number | null = null) =>
  new ModelFailure(failureClass, 'no', { provider: 'openai', upstreamStatus: 500, retryAfterMs })
const overloaded = failure('Provider.Overloaded')

describe('the pause before a failed model call is repeated', () => {
  it('lies between half a second and a bound that triples with each attempt', () => {
    for (const attempt of [1, 2, 4]) {
      expect(pauseBeforeRetry(overloaded, attempt, 0)).toBe(PAUSE_MS_MIN)
    }
    expect(pauseBeforeRetry(overloaded, 1, 1)).toBe(1_500)
    expect(pauseBeforeRetry(overloaded, 2, 1)).toBe(4_500)
    expect(pauseBeforeRetry(overloaded, 2, 0.5)).toBe(2_500)
    expect(pauseBeforeRetry(overloaded, 4, 1)).toBe(40_500)
  })

  it('is what the provider asks for, down to none; it does not wait longer than a minute', () => {
    for (const asked of [0, 1, 700, PAUSE_MS_MAX]) {
      const limited = failure('Provider.RateLimited', asked)
      expect(pauseBeforeRetry(limited, 1, 0.5)).toBe(asked)
    }
    const tooLong = failure('Provider.RateLimited', PAUSE_MS_MAX + 1)
    expect(pauseBeforeRetry(tooLong, 1, 0.5)).toBeNull()
  })

  it('is none after the last attempt, and where trying again cannot help', () => {
    expect(pauseBeforeRetry(overloaded, MODEL_ATTEMPTS_MAX - 1, 0)).not.toBeNull()
    expect(pauseBeforeRetry(overloaded, MODEL_ATTEMPTS_MAX, 0)).toBeNull()
    for (const final of ['Provider.Refused', 'Provider.BadRequest', 'ContextOverflow'] as const) {
      expect(pauseBeforeRetry(failure(final), 1, 0)).toBeNull()
    }
  })
})
