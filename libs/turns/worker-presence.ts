import type { Queryable } from '#event-store/stream-reader.js'
import type { AgentRunner } from './agent-runner.js'
import {
  abandonedMailboxes,
  endLease,
  forgetDeadWorkers,
  LEASE_RENEWAL_MS,
  renewLease,
} from './mailbox.js'
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
    private readonly runner: Pick<AgentRunner, 'held' | 'holds'>,
    private readonly onError: (error: unknown) => void,
  ) {}

  async start(): Promise<void> {
    await renewLease(this.db, this.workerId)
    await forgetDeadWorkers(this.db)
    this.#every(LEASE_RENEWAL_MS, () => renewLease(this.db, this.workerId))
    const sweep = this.#every(SWEEP_MS, () => this.#sweep())
    // What a dead worker left behind need not wait for the first second.
    sweep()
  }

  /** Frees every mailbox of this worker at once. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    this.#timers = []
    await endLease(this.db, this.workerId)
  }

  async #sweep(): Promise<void> {
    const limit = SWEPT_MAX + this.runner.held
    const found = await abandonedMailboxes(this.db, this.workerId, limit)
    for (const { tenantId, agentId, epoch, second } of found) {
      if (this.runner.holds(tenantId, agentId)) continue
      await this.doorbell.ringAgain(tenantId, agentId, epoch, second)
    }
  }

  /** One run at a time: a slow database must not pile them up. */
  #every(ms: number, run: () => Promise<void>): () => void {
    let busy = false
    const tick = (): void => {
      if (busy) return
      busy = true
      run()
        .catch(this.onError)
        .finally(() => {
          busy = false
        })
    }
    this.#timers.push(setInterval(tick, ms))
    return tick
  }
}
