import type { Queryable } from '#event-store/stream-reader.js'
import { claimMailbox, nextTurn, releaseMailbox } from './mailbox.js'
import type { Doorbell } from './ports.js'
import type { TurnLoop } from './turn-loop.js'

/** Turns of one agent that one wake runs before others get their chance. */
const TURNS_PER_WAKE_MAX = 5

/**
 * What a wake does: claims the agent's mailbox and runs its turns in order, one at a time. A wake
 * that finds nothing, or somebody living at work, ends at once; it is a hint, never the truth.
 */
export class AgentRunner {
  constructor(
    private readonly db: Queryable,
    private readonly loop: TurnLoop,
    private readonly doorbell: Doorbell,
    private readonly workerId: string,
  ) {}

  async wake(tenantId: string, agentId: string, signal: AbortSignal): Promise<void> {
    const claim = await claimMailbox(this.db, tenantId, agentId, this.workerId)
    if (!claim) return
    let fenced = false
    try {
      for (let count = 0; count < TURNS_PER_WAKE_MAX && !signal.aborted && !fenced; count++) {
        const turn = await nextTurn(this.db, tenantId, agentId)
        if (!turn) break
        fenced = (await this.loop.run(claim, turn, signal)) === 'fenced'
      }
    } finally {
      const pending = fenced ? 0 : await releaseMailbox(this.db, claim)
      if (pending > 0) await this.doorbell.ring(tenantId, agentId)
    }
  }
}
