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
import type { TakeUp } from './ports.js'
import { Sweep } from './sweep.js'

const SWEEP_MS = 1_000
const SWEPT_MAX = 500

/**
 * Keeps a worker's lease and its lock alive, and once a second, in turn with the others, sees to agents whose
 * work nobody living is at: a dead worker, a doorbell that was lost, a queue that was wiped. A wrong guess is harmless.
 */
export class WorkerPresence {
  readonly #renewals: Sweep
  readonly #rounds: Sweep

  constructor(
    private readonly db: Queryable,
    private readonly takeUp: TakeUp,
    private readonly workerId: string,
    private readonly runner: Pick<AgentRunner, 'held' | 'holds'>,
    private readonly liveness: Liveness,
    onError: (error: unknown) => void,
  ) {
    const workers = (): number => liveness.living
    const round = (): Promise<void> => this.#sweep()
    this.#rounds = new Sweep({ everyMs: SWEEP_MS, workers, round, onError })
    // Its own lease is nobody else's matter.
    const alone = (): number => 1
    const renew = (): Promise<void> => this.#renew()
    this.#renewals = new Sweep({ everyMs: LEASE_RENEWAL_MS, workers: alone, round: renew, onError })
  }

  async start(): Promise<void> {
    await this.liveness.start()
    await this.#renew()
    await forgetDeadWorkers(this.db)
    this.#renewals.start()
    // What a dead worker left behind need not wait for the first second.
    this.#rounds.start(true)
  }

  /** Frees every mailbox of this worker at once. */
  async stop(): Promise<void> {
    await Promise.all([this.#renewals.stop(), this.#rounds.stop()])
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
    if (left.length > 0) await this.takeUp(left)
  }
}
