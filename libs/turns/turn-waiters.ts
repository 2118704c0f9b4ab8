import type { Database } from '#postgres/database.js'

/** The channel on which it is hinted that a turn has ended, or waits for somebody. */
export const TURN_HINTS = 'palimpsest_turns'

/** How often rows of awaited turns are read when no hint comes: correctness rests on this alone. */
const SWEEP_MS = 250
/** Rows read by one query. */
const IDS_MAX = 1_000
const OVER: readonly string[] = ['completed', 'failed', 'cancelled', 'dead_lettered']

/**
 * Waits for turns to end, or to wait for an answer themselves, with no connection per waiter: a hint wakes, and a sweep over the ids still
 * awaited makes sure. Waiters read the turn's row, never a queue's events.
 */
export class TurnWaiters {
  readonly #waiting = new Map<string, Set<() => void>>()
  /** Ids whose rows are to be read next. */
  readonly #due = new Set<string>()
  #timer: NodeJS.Timeout | null = null
  #reading = false

  constructor(
    private readonly db: Database,
    private readonly tenantId: string,
  ) {}

  /** How many turns are waited for. */
  get awaited(): number {
    return this.#waiting.size
  }

  /**
   * Resolves once the turn is over or waits for an answer; rejects with the signal's reason when it is aborted before.
   *
   * @param isNew it was queued just now, by whoever asks: it is not looked at before it can be over.
   */
  wait(runId: string, signal: AbortSignal, isNew = false): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const waiters = this.#waiting.get(runId) ?? new Set()
      const end = (): void => {
        signal.removeEventListener('abort', abort)
        resolve()
      }
      const abort = (): void => {
        waiters.delete(end)
        if (waiters.size === 0) this.#waiting.delete(runId)
        reject(signal.reason)
      }
      signal.addEventListener('abort', abort, { once: true })
      this.#waiting.set(runId, waiters.add(end))
      this.#timer ??= setInterval(() => this.hint([...this.#waiting.keys()]), SWEEP_MS)
      // It may have ended before anybody waited.
      if (!isNew) this.hint([runId])
    })
  }

  /** These turns may be over. */
  hint(runIds: readonly string[]): void {
    for (const id of runIds) if (this.#waiting.has(id)) this.#due.add(id)
    if (!this.#reading) void this.#read()
  }

  close(): void {
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = null
  }

  async #read(): Promise<void> {
    this.#reading = true
    while (this.#due.size > 0) {
      const ids = [...this.#due].slice(0, IDS_MAX)
      for (const id of ids) this.#due.delete(id)
      try {
        for (const id of await this.#over(ids)) this.#end(id)
      } catch {
        // The next sweep reads again; a database that is away is the request's time limit's matter.
      }
    }
    this.#reading = false
    if (this.#waiting.size === 0) this.close()
  }

  async #over(ids: readonly string[]): Promise<string[]> {
    const rows = await this.db
      .selectFrom('turns')
      .select('run_id')
      .where('tenant_id', '=', this.tenantId)
      .where('run_id', 'in', [...ids])
      .where((or) =>
        or.or([
          or('status', 'in', [...OVER]),
          or.and([or('status', '=', 'parked'), or('stop_reason', '=', 'requires_approval')]),
        ]),
      )
      .execute()
    return rows.map((row) => row.run_id)
  }

  #end(runId: string): void {
    const waiters = this.#waiting.get(runId)
    this.#waiting.delete(runId)
    for (const end of waiters ?? []) end()
  }
}
