import { admit, type BreakerState, type CallOutcome, CLOSED, settle } from '#domain/breaker.js'
import type { Queryable } from '#event-store/stream-reader.js'
import type { ModelFailure } from './ports.js'

const TRIES_MAX = 5
/** So long a breaker that was found closed, without a failure, is taken to be so still. */
const CLOSED_KEPT_MS = 100
/** When many change a breaker at the same moment, some look again after this. */
const CROWDED_MS = 500

/** By the database's clock; changes are null where nobody has written it yet. */
interface FoundBreaker {
  readonly state: BreakerState
  readonly changes: string | null
  readonly now: number
}

/** Leave to make a call; `settle` is told what came of it. */
export interface CallLeave {
  readonly limitedAs: string | null
  /** The breaker as it was when the call was let through. */
  readonly state: BreakerState
}

/**
 * The breakers of the providers, in the database: what one worker is told holds for all, by its clock. The
 * others hear of it a tenth of a second later at the latest: while all is well nobody asks before each call.
 */
export class ModelBreakers {
  /** When a breaker was last found closed, by this process's own clock. */
  readonly #closedAt = new Map<string, number>()
  /** Looks under way: calls that begin meanwhile take what they find. */
  readonly #looks = new Map<string, Promise<FoundBreaker>>()

  constructor(private readonly db: Queryable) {}

  /**
   * @param limitedAs whom the limit binds together; null: nothing is limited
   * @returns the leave, or how long to wait in milliseconds
   */
  async admit(limitedAs: string | null): Promise<CallLeave | { readonly waitMs: number }> {
    if (limitedAs === null || this.#wasClosed(limitedAs)) return { limitedAs, state: CLOSED }
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const found = await (tries === 0 ? this.#look(limitedAs) : this.#read(limitedAs))
      const admission = admit(found.state, found.now)
      if (!admission.admitted) return { waitMs: admission.until - found.now }
      const { state } = admission
      if (state.openUntil === null && state.failures === 0) {
        this.#closedAt.set(limitedAs, performance.now())
      }
      if (state === found.state) return { limitedAs, state }
      if (await this.#write(limitedAs, state, found.changes)) return { limitedAs, state }
    }
    return { waitMs: CROWDED_MS }
  }

  /** Never throws: an answer that was paid for is worth more than the breaker. */
  async settle({ limitedAs, state: before }: CallLeave, outcome: CallOutcome): Promise<void> {
    // The usual case: it was closed, without a failure, and the call was answered.
    if (limitedAs === null || settle(before, outcome, Number.POSITIVE_INFINITY) === before) return
    this.#closedAt.delete(limitedAs)
    try {
      for (let tries = 0; tries < TRIES_MAX; tries++) {
        const { state, changes, now } = await this.#read(limitedAs)
        const settled = settle(state, outcome, now)
        if (settled === state || (await this.#write(limitedAs, settled, changes))) return
      }
    } catch {}
  }

  #wasClosed(limitedAs: string): boolean {
    const at = this.#closedAt.get(limitedAs)
    return at !== undefined && performance.now() - at < CLOSED_KEPT_MS
  }

  #look(limitedAs: string): Promise<FoundBreaker> {
    const underWay = this.#looks.get(limitedAs)
    if (underWay) return underWay
    const look = this.#read(limitedAs).finally(() => this.#looks.delete(limitedAs))
    this.#looks.set(limitedAs, look)
    return look
  }

  async #read(limitedAs: string): Promise<FoundBreaker> {
    const { rows } = await this.db.query<{
      now: number
      changes: string | null
      failures: number
      openings: number
      open_until: number | null
      probe_until: number | null
    }>({
      name: 'read-breaker',
      text: `select (extract(epoch from clock_timestamp()) * 1000)::float8 as now,
                    b.changes, b.failures, b.openings,
                    (extract(epoch from b.open_until) * 1000)::float8 as open_until,
                    (extract(epoch from b.probe_until) * 1000)::float8 as probe_until
               from (select) one left join model_breakers b on b.limited_as = $1`,
      values: [limitedAs],
    })
    const row = rows[0]
    if (!row) throw new Error('a left join of one row gave none')
    const { now, changes, failures, openings, open_until, probe_until } = row
    if (changes === null) return { now, changes, state: CLOSED }
    const state = { failures, openings, openUntil: open_until, probeUntil: probe_until }
    return { now, changes, state }
  }

  /** False when somebody else has changed it since. */
  async #write(limitedAs: string, state: BreakerState, changes: string | null): Promise<boolean> {
    const text =
      changes === null
        ? `insert into model_breakers (limited_as, failures, openings, open_until, probe_until, changes)
           values ($1, $2, $3, to_timestamp($4::float8 / 1000), to_timestamp($5::float8 / 1000), $6)
           on conflict do nothing returning 1`
        : `update model_breakers set failures = $2, openings = $3, changes = changes + 1,
                  open_until = to_timestamp($4::float8 / 1000),
                  probe_until = to_timestamp($5::float8 / 1000)
            where limited_as = $1 and changes = $6 returning 1`
    const { failures, openings, openUntil, probeUntil } = state
    const values = [limitedAs, failures, openings, openUntil, probeUntil, changes ?? 1]
    const { rows } = await this.db.query({ text, values })
    return rows.length > 0
  }
}

/** What a failure of a call says about the calls of others. */
export function outcomeOf({ failureClass, detail }: ModelFailure): CallOutcome {
  if (failureClass === 'Provider.RateLimited') {
    return { type: 'limited', retryAfterMs: detail.retryAfterMs }
  }
  const failed = failureClass === 'Provider.Overloaded' || failureClass === 'Provider.Timeout'
  return { type: failed ? 'failed' : 'answered' }
}
