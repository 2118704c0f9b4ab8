import type { Queryable } from '#event-store/stream-reader.js'
import type { AgentRunner } from './agent-runner.js'
import type { Liveness } from './liveness.js'
import { abandonedMailboxes, endLease, forgetDeadWorkers, LEASE_RENEWAL_MS } from './mailbox.js'
import type { TakeUp } from './ports.js'
import { Sweep } from './sweep.js'

const SWEEP_MS = 1_000
const SWEPT_MAX = 500

export interface WorkerPresenceOptions {
  readonly db: Queryable
  readonly workerId: string
  readonly runner: Pick<AgentRunner, 'held' | 'holds'>
  readonly liveness: Liveness
  /** Writes into the worker's row that it lives, and under which lock. */
  readonly declare: (lockKey: string | null) => Promise<void>
  readonly takeUp: TakeUp
  readonly onError: (error: unknown) => void
}

/**
 * Keeps a worker's lease and its lock alive, and once a second, in turn with the others, sees to agents whose
 * work nobody living is at: a dead worker, a doorbell that was lost, a queue that was wiped. A wrong guess is harmless.
 */
export class WorkerPresence {
  readonly #renewals: Sweep
  readonly #rounds: Sweep

  constructor(private readonly options: WorkerPresenceOptions) {
    const { liveness, declare, onError } = options
    const workers = (): number => liveness.living
    const round = (): Promise<void> => this.#sweep()
    this.#rounds = new Sweep({ everyMs: SWEEP_MS, workers, round, onError })
    // Its own lease is nobody else's matter.
    const alone = (): number => 1
    const renew = (): Promise<void> => declare(liveness.key)
    this.#renewals = new Sweep({ everyMs: LEASE_RENEWAL_MS, workers: alone, round: renew, onError })
  }

  async start(): Promise<void> {
    const { db, liveness, declare } = this.options
    await liveness.start()
    await declare(liveness.key)
    await forgetDeadWorkers(db)
    this.#renewals.start()
    // What a dead worker left behind need not wait for the first second.
    this.#rounds.start(true)
  }

  /** Frees every mailbox of this worker at once. */
  async stop(): Promise<void> {
    const { db, workerId, liveness } = this.options
    await Promise.all([this.#renewals.stop(), this.#rounds.stop()])
    await liveness.stop()
    await endLease(db, workerId).finally(() => liveness.close())
  }

  async #sweep(): Promise<void> {
    const { db, workerId, runner, takeUp } = this.options
    const found = await abandonedMailboxes(db, workerId, SWEPT_MAX + runner.held)
    const left = found.filter(({ tenantId, agentId }) => !runner.holds(tenantId, agentId))
    if (left.length > 0) await takeUp(left)
  }
}
