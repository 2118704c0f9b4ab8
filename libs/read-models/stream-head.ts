import { sql } from 'kysely'
import type { Actor } from '#domain/actor.js'

/** A stream's head and the writer of its newest event. */
interface StreamHead {
  readonly stream_id: string
  readonly version: number
  /** Null of a text too long to stand in the head. */
  readonly value: string | null
  readonly actor: Actor
  readonly recorded_at: Date
}

/**
 * The head of the stream that each row of a query names, to be joined laterally as `s`. By limits of one: no plan,
 * and none that is made before the tables were ever analyzed, may read the log through for it.
 */
export function streamHead(tenantId: string, streamId: 'a.agent_id' | 'b.block_id') {
  return sql<StreamHead>`(
    select h.stream_id, h.version, h.value, e.actor, e.recorded_at
      from (select stream_id, version, value from streams
             where tenant_id = ${tenantId} and stream_id = ${sql.ref(streamId)} limit 1) h
     cross join lateral (select actor, recorded_at from events
             where tenant_id = ${tenantId} and stream_id = h.stream_id and version = h.version limit 1) e)`.as(
    's',
  )
}
