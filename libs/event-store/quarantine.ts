import type { FeedEvent } from './feed-event.js'
import type { Queryable } from './stream-reader.js'
import { type Lease, LostLease, type SubscriptionKey } from './subscription-lease.js'

/** A stream that a subscription has set aside, from one of its events on. */
export interface QuarantinedStream {
  readonly subscription: string
  readonly streamId: string
  /** The first event that waits, by its place in the stream and in the log. */
  readonly version: number
  readonly position: number
  readonly error: string
  /** Somebody has asked for it to be tried again. */
  readonly retry: boolean
  /** UTC ISO-8601. */
  readonly at: string
}

const ERROR_LENGTH_MAX = 1_000

/** The streams that wait, of one subscription or of all of the tenant, oldest first. */
export async function quarantinedStreams(
  db: Queryable,
  tenantId: string,
  subscription: string | null = null,
): Promise<QuarantinedStream[]> {
  const { rows } = await db.query(
    `select subscription, stream_id, version, position, error, retry, quarantined_at
       from quarantined_streams
      where tenant_id = $1 and subscription = coalesce($2, subscription)
      order by quarantined_at, subscription, stream_id`,
    [tenantId, subscription],
  )
  return rows.map((row) => ({
    subscription: row.subscription,
    streamId: row.stream_id,
    version: row.version,
    position: Number(row.position),
    error: row.error,
    retry: row.retry,
    at: row.quarantined_at.toISOString(),
  }))
}

/**
 * Asks for a stream to be tried again, once the reason is gone: the subscription's owner handles what
 * waited, in order, and lets the stream go on, or sets it aside again.
 *
 * @returns false when no such stream waits.
 */
export async function retryStream(
  db: Queryable,
  { tenantId, name }: SubscriptionKey,
  streamId: string,
): Promise<boolean> {
  const { rowCount } = await db.query(
    `update quarantined_streams set retry = true
      where tenant_id = $1 and subscription = $2 and stream_id = $3`,
    [tenantId, name, streamId],
  )
  return rowCount === 1
}

/** Sets a stream aside from this event on, or again from a later one. @throws LostLease */
export async function setAside(
  db: Queryable,
  lease: Lease,
  event: FeedEvent,
  reason: unknown,
): Promise<void> {
  const error = reason instanceof Error ? reason.message : String(reason)
  const { rowCount } = await db.query(
    `insert into quarantined_streams (tenant_id, subscription, stream_id, version, position, error)
     select tenant_id, name, $5, $6, $7, $8 from subscriptions
      where tenant_id = $1 and name = $2 and owner = $3 and epoch = $4
     on conflict (tenant_id, subscription, stream_id) do update
        set version = excluded.version, position = excluded.position, error = excluded.error,
            retry = false`,
    [
      lease.tenantId,
      lease.name,
      lease.owner,
      lease.epoch,
      event.streamId,
      event.version,
      event.position,
      error.slice(0, ERROR_LENGTH_MAX),
    ],
  )
  if (rowCount !== 1) throw new LostLease(lease)
}

/**
 * One more event of a stream set aside has been handled.
 *
 * @returns false when it had been already.
 */
export async function passWaiting(
  db: Queryable,
  { tenantId, name }: SubscriptionKey,
  event: FeedEvent,
): Promise<boolean> {
  const { rowCount } = await db.query(
    `update quarantined_streams set version = $4, position = $5
      where tenant_id = $1 and subscription = $2 and stream_id = $3 and position < $5`,
    [tenantId, name, event.streamId, event.version + 1, event.position + 1],
  )
  return rowCount === 1
}

/** Lets a stream go on. */
export async function release(
  db: Queryable,
  { tenantId, name }: SubscriptionKey,
  streamId: string,
): Promise<void> {
  await db.query(
    'delete from quarantined_streams where tenant_id = $1 and subscription = $2 and stream_id = $3',
    [tenantId, name, streamId],
  )
}
