import type { Pool } from 'pg'
import type { CallbackClient } from '#adapters/callback-client.js'
import type { Database } from '#postgres/database.js'
import { getRun, type RunRow } from '#read-models/runs.js'
import { TENANT } from './tenant.js'
import { renderRun } from './wire/run-wire.js'

const SWEEP_MS = 500
/** Calls under way at once in one process, and how long each may take. */
const CALLS_MAX = 16
const TIMEOUT_MS = 5_000
/** Whoever claims a call is given so long before another makes it. */
const CLAIM_SECONDS = 30
/** How far back a sweep looks, and every how many sweeps it looks back a day. */
const USUAL_MINUTES = 10
const DAY_MINUTES = 24 * 60
const SWEEPS_PER_DAY_SWEEP = 120
const ERROR_LENGTH_MAX = 500

/**
 * Calls a run's `callback_url` when it is over: by whichever process finds it first, at least once. What
 * comes of it is recorded and not tried again; a process that dies in between leaves it to another.
 */
export class RunCallbacks {
  readonly #closing = new AbortController()
  readonly #calls = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | null = null
  #sweeps = 0
  #sweeping: Promise<void> = Promise.resolve()

  constructor(
    private readonly pool: Pool,
    private readonly db: Database,
    private readonly client: CallbackClient,
    private readonly onError: (error: unknown) => void,
  ) {}

  start(): void {
    this.#timer = setTimeout(() => {
      this.#sweeping = this.#sweep()
        .catch(this.onError)
        .finally(() => {
          if (!this.#closing.signal.aborted) this.start()
        })
    }, SWEEP_MS)
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the service stops'))
    if (this.#timer) clearTimeout(this.#timer)
    await this.#sweeping
    await Promise.all(this.#calls)
  }

  async #sweep(): Promise<void> {
    const free = CALLS_MAX - this.#calls.size
    if (free === 0) return
    const looksFar = this.#sweeps++ % SWEEPS_PER_DAY_SWEEP === 0
    const runIds = await this.#claim(looksFar ? DAY_MINUTES : USUAL_MINUTES, free)
    for (const runId of runIds) {
      const call = this.#call(runId)
        .catch(this.onError)
        .finally(() => this.#calls.delete(call))
      this.#calls.add(call)
    }
  }

  async #claim(minutes: number, limit: number): Promise<string[]> {
    const { rows } = await this.pool.query<{ run_id: string }>({
      name: 'claim-callbacks',
      text: `insert into run_callbacks (tenant_id, run_id, claimed_until)
        select t.tenant_id, t.run_id, clock_timestamp() + make_interval(secs => ${CLAIM_SECONDS})
          from turns t
          left join run_callbacks c on c.tenant_id = t.tenant_id and c.run_id = t.run_id
         where t.tenant_id = $1 and t.options->>'callback_url' is not null
           and t.done_at > clock_timestamp() - make_interval(mins => $2)
           and (c.run_id is null or (c.sent_at is null and c.claimed_until < clock_timestamp()))
         order by t.done_at limit $3
        on conflict (tenant_id, run_id) do update set claimed_until = excluded.claimed_until
         where run_callbacks.sent_at is null and run_callbacks.claimed_until < clock_timestamp()
        returning run_id`,
      values: [TENANT, minutes, limit],
    })
    return rows.map((row) => row.run_id)
  }

  async #call(runId: string): Promise<void> {
    const run = await getRun(this.db, TENANT, runId)
    if (!run) return
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(TIMEOUT_MS)])
    const outcome = await this.client
      .post(run.options.callback_url ?? '', callbackBody(run), signal)
      .then(
        (status) => ({ status, error: null }),
        (error: unknown) => ({ status: null, error: reason(error, signal) }),
      )
    // Cut off by our own end, it is another's to make.
    if (this.#closing.signal.aborted && outcome.error !== null) return
    await this.pool.query({
      name: 'record-callback',
      text: `update run_callbacks set sent_at = clock_timestamp(), status_code = $3, error = $4
              where tenant_id = $1 and run_id = $2`,
      values: [TENANT, runId, outcome.status, outcome.error],
    })
  }
}

function callbackBody(run: RunRow): object {
  const { id, status, completed_at, metadata } = renderRun(run)
  return { run_id: id, status, completed_at, metadata }
}

function reason(error: unknown, signal: AbortSignal): string {
  const cause = signal.aborted ? signal.reason : error
  const text = cause instanceof Error ? cause.message : String(cause)
  return (text || 'the connection failed').slice(0, ERROR_LENGTH_MAX)
}
