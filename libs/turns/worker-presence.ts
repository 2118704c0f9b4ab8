import type { Queryable } from '#event-store/stream-reader.js'
import { abandonedMailboxes, endLease, LEASE_RENEWAL_MS, renewLease } from './mailbox.js'
import type { Doorbell } from './ports.js'

const SWEEP_MS = 1_000
const SWEPT_MAX = 500

/**
 * Keeps a worker's lease alive, and once a second rings for agents whose work nobody living is at: a
 * dead worker, a doorbell that was lost, a queue that was wiped. A wrong guess is harmless.
 */
export class WorkerPresence {
  #timers: NodeJS.Timeout[] = []

  constructor(
    private readonly db: Queryable,
    private readonly doorbell: Doorbell,
    private readonly workerId: string,
    private readonly onError: (error: unknown) => void,
  ) {}

  async start(): Promise<void> {
    await renewLease(this.db, this.workerId)
    this.#every(LEASE_RENEWAL_MS, () => renewLease(this.db, this.workerId))
    this.#every(SWEEP_MS, () => this.#sweep())
  }

  /** Frees every mailbox of this worker at once. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    this.#timers = []
    await endLease(this.db, this.workerId)
  }

  async #sweep(): Promise<void> {
    for (const { tenantId, agentId, epoch, second } of await abandonedMailboxes(
      this.db,
      SWEPT_MAX,
    )) {
      await this.doorbell.ringAgain(tenantId, agentId, epoch, second)
    }
  }

  /** One run at a time: a slow database must not pile them up. */
  #every(ms: number, run: () => Promise<void>): void {
    let busy = false
    const timer = setInterval(() => {
      if (busy) return
      busy = true
      run()
        .catch(this.onError)
        .finally(() => {
          busy = false
        })
    }, ms)
    this.#timers.push(timer)
  }
}
