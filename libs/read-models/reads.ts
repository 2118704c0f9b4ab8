import type { Queryable } from '#event-store/stream-reader.js'
import type { Database } from '#postgres/database.js'

/** Two doors to the same read-only pool: typed queries, and the folds of the event store. */
export interface Reads {
  readonly db: Database
  readonly pool: Queryable
}
