import { GroupReads } from '#event-store/group-reads.js'
import type { Queryable } from '#event-store/stream-reader.js'
import {
  type ClaimedMailbox,
  claimMailboxes,
  nextTurns,
  releaseEmpty,
  releaseMailbox,
  type WaitingTurn,
} from './mailbox.js'
import type { Doorbell } from './ports.js'
import type { RunningTurns } from './running-turns.js'

/** Turns of one agent that one wake runs before others get their chance. */
const TURNS_PER_WAKE_MAX = 5
/** After a fault the agent is left alone for so long: then the sweeper rings. */
const PAUSE_AFTER_FAULT_MS = 1_000

/**
 * What a wake does: claims the agent's mailbox and runs its turns in order, one at a time. A wake
 * that finds nothing, or somebody living at work, ends at once; it is a hint, never the truth.
 */
export class AgentRunner {
  readonly #held = new Set<string>()
  readonly #claims: GroupReads<ClaimedMailbox | null>
  readonly #waiting: GroupReads<WaitingTurn | null>

  constructor(
    private readonly db: Queryable,
    private readonly turns: RunningTurns,
    private readonly doorbell: Doorbell,
    workerId: string,
  ) {
    this.#claims = new GroupReads((tenantId, agentIds) =>
      claimMailboxes(db, tenantId, agentIds, workerId),
    )
    this.#waiting = new GroupReads((tenantId, agentIds) => nextTurns(db, tenantId, agentIds))
  }

  /** How many agents are being worked on here. */
  get held(): number {
    return this.#held.size
  }

  holds(tenantId: string, agentId: string): boolean {
    return this.#held.has(`${tenantId}/${agentId}`)
  }

  /** @throws what went wrong; the turn is tried again after a pause, by whoever hears of it. */
  async wake(tenantId: string, agentId: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.holds(tenantId, agentId)) return
    const key = `${tenantId}/${agentId}`
    this.#held.add(key)
    try {
      const box = (await this.#claims.getAll(tenantId, [agentId])).get(agentId)
      if (box) await this.#work(box, signal)
    } finally {
      this.#held.delete(key)
    }
  }

  async #work({ claim, pending: found, next }: ClaimedMailbox, signal: AbortSignal): Promise<void> {
    const { tenantId, agentId } = claim
    try {
      for (let count = 0; count < TURNS_PER_WAKE_MAX && !signal.aborted; count++) {
        // Most often it was the only one: then one statement sees that nothing waits, and gives the mailbox back.
        if (count >= found && (await releaseEmpty(this.db, claim))) return
        const turn = (count === 0 ? next : null) ?? (await this.#next(tenantId, agentId))
        if (!turn) break
        const end = await this.turns.run(claim, turn, signal)
        if (end === 'fenced') return
        if (end === 'parked' || end === 'stopped') break
      }
    } catch (error) {
      // What cannot be given back now, the sweeper finds.
      await releaseMailbox(this.db, claim, PAUSE_AFTER_FAULT_MS).catch(() => {})
      throw error
    }
    const pending = await releaseMailbox(this.db, claim)
    // Only for a turn that is really there: a wrong count must not ring for ever.
    if (pending > 0 && (await this.#next(tenantId, agentId))) {
      await this.doorbell.ring(tenantId, agentId)
    }
  }

  async #next(tenantId: string, agentId: string): Promise<WaitingTurn | null> {
    const found = await this.#waiting.getAll(tenantId, [agentId])
    return found.get(agentId) ?? null
  }
}
