import type { StreamEvent } from '#event-store/unit.js'

/**
 * Published in process after a commit, and only here: a hint for whoever waits. Whoever must not miss
 * an event reads the log.
 */
export class EventsCommitted {
  constructor(readonly events: readonly StreamEvent[]) {}
}
