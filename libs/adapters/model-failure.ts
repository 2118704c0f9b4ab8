import { ModelFailure, type ModelFailureClass } from '#turns/ports.js'
import { storable } from './storable-text.js'

const MESSAGE_CHARACTERS_MAX = 1_000
const OVERFLOW =
  /context[ _](?:length|window|size)|maximum context|prompt is too long|too many (?:input )?tokens/i
const REFUSAL = /content[_ ](?:filter|policy)|ResponsibleAI/i
const MS_PER_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** What a provider answered instead of a completion. */
export interface UpstreamError {
  /** HTTP status, or null when there was no answer at all. */
  readonly status: number | null
  readonly code: string | null
  readonly message: string
  readonly headers: { get(name: string): string | null } | null
}

/** Puts a provider's error into the class that says whether to try again. */
export function classified(provider: string, error: UpstreamError): ModelFailure {
  // Failures are stored: cut first, for a cut can halve a character.
  const said = storable(error.message.slice(0, MESSAGE_CHARACTERS_MAX))
  const answered = error.status === null ? 'could not be reached' : `answered ${error.status}`
  return new ModelFailure(failureClass(error), `${provider} ${answered}: ${said}`, {
    provider,
    upstreamStatus: error.status,
    retryAfterMs: error.headers ? retryAfterMs(error.headers, Date.now()) : null,
  })
}

function failureClass({ status, code, message }: UpstreamError): ModelFailureClass {
  if (status === null) return 'Provider.Overloaded'
  // No wait mends an empty account, so it must not be tried again like other 429s.
  if (status === 429 && code === 'insufficient_quota') return 'Provider.BadRequest'
  if (status === 429) return 'Provider.RateLimited'
  if (status === 408) return 'Provider.Timeout'
  if (status >= 500 || status === 409 || status === 425) return 'Provider.Overloaded'
  if (code === 'context_length_exceeded' || status === 413) return 'ContextOverflow'
  if (REFUSAL.test(code ?? '')) return 'Provider.Refused'
  if (status === 400 && OVERFLOW.test(message)) return 'ContextOverflow'
  if (status === 400 && REFUSAL.test(message)) return 'Provider.Refused'
  return 'Provider.BadRequest'
}

/**
 * How long a provider asks to be left alone, in milliseconds from `now`; null when it does not say.
 * Read from `retry-after-ms`, `retry-after` (seconds or a date), then `x-ratelimit-reset` (a length of
 * time such as `1m30s`, seconds, or a point in time in seconds or milliseconds).
 */
export function retryAfterMs(
  headers: { get(name: string): string | null },
  now: number,
): number | null {
  const exact = number(headers.get('retry-after-ms'))
  if (exact !== null) return exact
  const after = headers.get('retry-after')
  const seconds = number(after)
  if (seconds !== null) return Math.ceil(seconds * 1_000)
  const date = after === null ? Number.NaN : Date.parse(after)
  if (!Number.isNaN(date)) return Math.max(0, date - now)
  const reset = headers.get('x-ratelimit-reset')
  const point = number(reset)
  if (point === null) return reset === null ? null : duration(reset)
  if (point > 1e12) return Math.max(0, Math.ceil(point - now))
  if (point > 1e9) return Math.max(0, Math.ceil(point * 1_000 - now))
  return Math.ceil(point * 1_000)
}

/** A number that is not negative, or null. */
function number(text: string | null): number | null {
  if (text === null || text.trim() === '') return null
  const value = Number(text)
  return Number.isFinite(value) && value >= 0 ? value : null
}

/** `6m0s`, `1.5s`, `20ms` in milliseconds. */
function duration(text: string): number | null {
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(text.trim())) return null
  let total = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    total += Number(amount) * (MS_PER_UNIT[unit as string] as number)
  }
  return Math.ceil(total)
}
