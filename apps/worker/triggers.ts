import type { Pool } from 'pg'
import { waitAtMost } from '#adapters/queue-connection.js'
import type { Door } from '#commands/metadata.js'
import type { Feed } from '#event-store/feed.js'
import { Subscription } from '#event-store/subscription.js'
import type { Database } from '#postgres/database.js'
import type { Doorbell } from '#turns/ports.js'
import { TriggerSweep } from '#turns/trigger-sweep.js'
import { TRIGGERS, TriggerWatch, WATCHED_TYPES } from '#turns/trigger-watch.js'

export interface TriggersOptions {
  readonly tenantId: string
  readonly feed: Feed
  readonly execute: Door
  readonly doorbell: Doorbell
  readonly reads: Pool
  readonly db: Database
  /** How many workers sweep, this one among them. */
  readonly workers: () => number
  readonly onError: (error: unknown) => void
  /** Turns that may follow from one another by triggers: other than the usual only in tests. */
  readonly depthMax: number | undefined
}

/** What a worker does for triggers: watches the feed, and queues the turns that are due. */
export interface Triggers {
  close(deadlineMs: number): Promise<void>
}

export function openTriggers(options: TriggersOptions): Triggers {
  const { tenantId, feed, execute, doorbell, reads: pool, db, onError, depthMax } = options
  const reads = { db, pool }
  const watch = new TriggerWatch(pool, depthMax)
  const subscription = new Subscription({
    tenantId,
    name: TRIGGERS,
    feed,
    pool,
    filter: { types: WATCHED_TYPES },
    consumer: { handle: (event) => watch.handle(event) },
    onError,
  })
  const stopping = new AbortController()
  const watching = subscription.run(stopping.signal)
  const sweep = new TriggerSweep({ execute, doorbell, reads, workers: options.workers, onError })
  sweep.start()
  return {
    async close(deadlineMs) {
      stopping.abort()
      await waitAtMost(Promise.all([watching, sweep.stop()]), deadlineMs)
    },
  }
}
