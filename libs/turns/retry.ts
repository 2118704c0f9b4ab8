import type { ModelFailure } from './ports.js'

/** Calls of one step, the first included. One layer retries: this one. */
export const MODEL_ATTEMPTS_MAX = 5
export const PAUSE_MS_MIN = 500
export const PAUSE_MS_MAX = 60_000

/**
 * Milliseconds to wait before a failed call is tried again: what the provider asked for, else anything
 * between half a second and a bound that triples with each attempt, so that many callers do not come
 * back at once. Null: it is not tried again.
 *
 * @param attempt which call of the step failed, from 1.
 * @param random between 0 and 1.
 */
export function pauseBeforeRetry(
  failure: ModelFailure,
  attempt: number,
  random: number,
): number | null {
  if (!failure.retriable || attempt >= MODEL_ATTEMPTS_MAX) return null
  const { retryAfterMs } = failure.detail
  if (retryAfterMs !== null) return retryAfterMs > PAUSE_MS_MAX ? null : retryAfterMs
  const ceiling = PAUSE_MS_MIN * 3 ** attempt
  return Math.min(PAUSE_MS_MAX, Math.round(PAUSE_MS_MIN + random * (ceiling - PAUSE_MS_MIN)))
}
