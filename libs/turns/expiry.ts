import { ChangeTurn } from '#commands/change-turn.js'
import type { Door } from '#commands/metadata.js'
import type { Queryable } from '#event-store/stream-reader.js'
import { Sweep } from './sweep.js'

const SWEEP_MS = 1_000
const SWEPT_MAX = 100

export interface ExpiryOptions {
  readonly db: Queryable
  readonly execute: Door
  readonly workerId: string
  /** How many workers sweep, this one among them. */
  readonly workers: () => number
  readonly onError: (error: unknown) => void
}

/**
 * Ends turns whose deadline passes while nobody is at them: queued behind another, or parked. A running
 * one is its worker's to end. Every worker sweeps in its turn; ending a turn twice changes nothing.
 */
export class TurnExpiry {
  readonly #rounds: Sweep

  constructor(private readonly options: ExpiryOptions) {
    const { workers, onError } = options
    const round = (): Promise<void> => this.#sweep()
    this.#rounds = new Sweep({ everyMs: SWEEP_MS, workers, round, onError })
  }

  start(): void {
    this.#rounds.start()
  }

  stop(): Promise<void> {
    return this.#rounds.stop()
  }

  async #sweep(): Promise<void> {
    const { db, execute, workerId } = this.options
    const { rows } = await db.query<{ tenant_id: string; run_id: string; agent_id: string }>({
      name: 'expired-turns',
      text: `select tenant_id, run_id, agent_id from turns
              where deadline <= clock_timestamp() and status in ('queued', 'parked')
              order by deadline limit ${SWEPT_MAX}`,
    })
    const actor = { kind: 'system', id: workerId } as const
    for (const { tenant_id: tenantId, run_id, agent_id } of rows) {
      await execute(new ChangeTurn(run_id, agent_id, { type: 'ExpireTurn' }, { tenantId, actor }))
    }
  }
}
