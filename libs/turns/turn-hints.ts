import type { StreamEvent } from '#event-store/unit.js'
import { Hints } from '#postgres/hint.js'
import { TURN_HINTS } from './turn-waiters.js'

/** The channel on which it is hinted that a running turn is to end. */
export const CANCEL_HINTS = 'palimpsest_cancels'

/** Events after which a waiter may have its answer. */
const ENDS: ReadonlySet<string> = new Set([
  'ApprovalRequested',
  'TurnCompleted',
  'TurnFailed',
  'TurnCancelled',
  'TurnDeadLettered',
])

/** Tells other processes, after the commit, which turns have ended or wait for somebody, and which are to end. */
export class TurnHints {
  readonly #ends: Hints
  readonly #cancels: Hints

  constructor(pool: ConstructorParameters<typeof Hints>[0]) {
    this.#ends = new Hints(pool, TURN_HINTS)
    this.#cancels = new Hints(pool, CANCEL_HINTS)
  }

  of(events: readonly StreamEvent[]): void {
    for (const { type, streamId } of events) {
      if (ENDS.has(type)) this.#ends.send(streamId)
      if (type === 'TurnCancelRequested') this.#cancels.send(streamId)
    }
  }
}
