import type { Pool } from 'pg'
import { FEED_HINT_MS, FEED_HINTS, Feed } from '#event-store/feed.js'
import type { StreamEvent } from '#event-store/unit.js'
import type { Database } from '#postgres/database.js'
import { GrowthHint, HintListener } from '#postgres/hint.js'
import { RunLogs } from '#turns/run-logs.js'
import { TurnHints } from '#turns/turn-hints.js'
import { TURN_HINTS, TurnWaiters } from '#turns/turn-waiters.js'
import { TENANT } from './tenant.js'

/** Those in an api process who wait for commits, its own and those of others. */
export interface CommitHints {
  readonly waiters: TurnWaiters
  readonly runLogs: RunLogs
  readonly feed: Feed
  /** This process has committed them: those here know at once, others by a hint. */
  committed(events: readonly StreamEvent[]): void
  close(): Promise<void>
}

export async function openCommitHints(
  databaseUrl: string,
  reads: Pool,
  db: Database,
  onError: (error: unknown) => void,
): Promise<CommitHints> {
  const waiters = new TurnWaiters(db, TENANT)
  const runLogs = new RunLogs(reads, TENANT)
  const feed = new Feed({ reads, onError })
  const listener = new HintListener(databaseUrl, {
    [TURN_HINTS]: (ids) => {
      waiters.hint(ids)
      runLogs.hint(ids)
    },
    [FEED_HINTS]: () => feed.wake(),
  })
  await listener.open()
  feed.start()
  const turnHints = new TurnHints(reads)
  const feedHint = new GrowthHint(reads, FEED_HINTS, FEED_HINT_MS)
  return {
    waiters,
    runLogs,
    feed,
    committed(events) {
      feed.wake()
      feedHint.send()
      turnHints.of(events)
    },
    async close() {
      waiters.close()
      runLogs.close()
      await Promise.all([listener.close(), feed.close()])
    },
  }
}
