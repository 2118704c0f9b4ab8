import type { Database } from '#postgres/database.js'

/** The channel on which workers hint that a turn has ended. */
export const TURN_HINTS = 'palimpsest_turns'

/** How often rows of awaited turns are read when no hint comes: correctness rests on this alone. */
const SWEEP_MS = 250
const OVER: readonly string[] = ['completed', 'failed', 'cancelled', 'dead_lettered']

/**
 * Waits for turns to end, with no connection per waiter: a hint wakes, and a sweep over the ids still
 * awaited makes sure. Waiters read the turn's row, never a queue's events.
 */
export class TurnWaiters {
  readonly #waiting = new Map<string, Set<() => void>>()
  #timer: NodeJS.Timeout | null = null
  #reading = false
  #again = false

  constructor(
    private readonly db: Database,
    private readonly tenantId: string,
  ) {}

  /** Resolves once the turn is over; rejects with the signal's reason when it is aborted before. */
  wait(runId: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
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
      if (signal.aborted) return reject(signal.reason)
      signal.addEventListener('abort', abort, { once: true })
      this.#waiting.set(runId, waiters.add(end))
      this.#timer ??= setInterval(() => void this.#sweep(), SWEEP_MS)
      void this.#sweep()
    })
  }

  /** A hint: these turns may be over. */
  hint(runIds: readonly string[]): void {
    if (runIds.some((id) => this.#waiting.has(id))) void this.#sweep()
  }

  close(): void {
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = null
  }

  async #sweep(): Promise<void> {
    if (this.#reading) {
      this.#again = true
      return
    }
    this.#reading = true
    try {
      const ids = [...this.#waiting.keys()]
      if (ids.length === 0) return this.close()
      const rows = await this.db
        .selectFrom('turns')
        .select('run_id')
        .where('tenant_id', '=', this.tenantId)
        .where('run_id', 'in', ids)
        .where('status', 'in', [...OVER])
        .execute()
      for (const { run_id } of rows) this.#end(run_id)
    } catch {
      // The next sweep reads again; a database that is away for good is the request's time limit's matter.
    } finally {
      this.#reading = false
    }
    if (this.#again) {
      this.#again = false
      await this.#sweep()
    }
  }

  #end(runId: string): void {
    const waiters = this.#waiting.get(runId)
    this.#waiting.delete(runId)
    for (const end of waiters ?? []) end()
  }
}
