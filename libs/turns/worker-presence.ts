import type { Queryable } from '#event-store/stream-reader.js'
import type { AgentRunner } from './agent-runner.js'
import type { Liveness } from './liveness.js'
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
 * Keeps a worker's lease and its lock alive, and once a second rings for agents whose work nobody living
 * is at: a dead worker, a doorbell that was lost, a queue that was wiped. A wrong guess is harmless.
 */
export class WorkerPresence {
  #timers: NodeJS.Timeout[] = []

  constructor(
    private readonly db: Queryable,
    private readonly doorbell: Doorbell,
    private readonly workerId: string,
    private readonly runner: Pick<AgentRunner, 'held' | 'holds'>,
    private readonly liveness: Liveness,
    private readonly onError: (error: unknown) => void,
  ) {}

  async start(): Promise<void> {
    await this.liveness.start()
    await this.#renew()
    await forgetDeadWorkers(this.db)
    this.#every(LEASE_RENEWAL_MS, () => this.#renew())
    const sweep = this.#every(SWEEP_MS, () => this.#sweep())
    // What a dead worker left behind need not wait for the first second.
    sweep()
  }

  /** Frees every mailbox of this worker at once. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    this.#timers = []
    await this.liveness.stop()
    await endLease(this.db, this.workerId).finally(() => this.liveness.close())
  }

  #renew(): Promise<void> {
    return renewLease(this.db, this.workerId, this.liveness.key)
  }

  async #sweep(): Promise<void> {
    const limit = SWEPT_MAX + this.runner.held
    const found = await abandonedMailboxes(this.db, this.workerId, limit)
    const left = found.filter(({ tenantId, agentId }) => !this.runner.holds(tenantId, agentId))
    if (left.length > 0) await this.doorbell.ringAgain(left)
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
