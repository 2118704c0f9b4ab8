import { UNFLUSHED } from '#postgres/database.js'
import type { Queryable } from './stream-reader.js'

/** Which subscription of which tenant. */
export interface SubscriptionKey {
  readonly tenantId: string
  readonly name: string
}

/** The right to handle a subscription's events, until somebody else holds a newer epoch. */
export interface Lease extends SubscriptionKey {
  readonly owner: string
  readonly epoch: string
  /** Where its holder begins: every event up to here has been handled. */
  readonly checkpoint: number
}

/** Somebody else owns the subscription now. */
export class LostLease extends Error {
  constructor({ name }: SubscriptionKey) {
    super(`the subscription ${name} has another owner now`)
    this.name = 'LostLease'
  }
}

const HELD = 'tenant_id = $1 and name = $2 and owner = $3 and epoch = $4'

/**
 * Takes a subscription that nobody owns, or whose owner's lease has run out by the database's clock.
 *
 * @returns null while somebody else owns it.
 */
export async function claim(
  db: Queryable,
  { tenantId, name }: SubscriptionKey,
  owner: string,
  leaseMs: number,
): Promise<Lease | null> {
  const { rows } = await db.query<{ epoch: string; checkpoint: string }>({
    name: 'claim-subscription',
    // Looked at first: those who stand by ask once a second, and are not to lock the row for it.
    text: `insert into subscriptions (tenant_id, name, owner, epoch, lease_until)
     select $1, $2, $3, 1, clock_timestamp() + $4 * interval '1 ms'
      where not exists (select from subscriptions where tenant_id = $1 and name = $2
                           and owner is not null and lease_until >= clock_timestamp())
     on conflict (tenant_id, name) do update
        set owner = excluded.owner, epoch = subscriptions.epoch + 1, lease_until = excluded.lease_until
      where subscriptions.owner is null or subscriptions.lease_until < clock_timestamp()
     returning epoch, checkpoint`,
    values: [tenantId, name, owner, leaseMs],
  })
  const [row] = rows
  return row ? { tenantId, name, owner, ...row, checkpoint: Number(row.checkpoint) } : null
}

/** @throws LostLease */
export async function renew(db: Queryable, lease: Lease, leaseMs: number): Promise<void> {
  const { rowCount } = await db.query(
    `update subscriptions set lease_until = clock_timestamp() + $5 * interval '1 ms' where ${HELD}`,
    [...holder(lease), leaseMs],
  )
  if (rowCount !== 1) throw new LostLease(lease)
}

/**
 * Every event up to the position has been handled, and seen to last: if a crash of the server takes the checkpoint
 * back, they are handled again.
 *
 * @throws LostLease
 */
export async function passCheckpoint(db: Queryable, lease: Lease, position: number): Promise<void> {
  const { rowCount } = await db.query({
    name: 'pass-checkpoint',
    text: `update subscriptions set checkpoint = greatest(checkpoint, $5) where ${HELD} returning ${UNFLUSHED}`,
    values: [...holder(lease), position],
  })
  if (rowCount !== 1) throw new LostLease(lease)
}

/**
 * Every event up to the position is handled in this transaction, or has been.
 *
 * @returns false when the checkpoint stood there already.
 * @throws LostLease
 */
export async function moveCheckpoint(
  db: Queryable,
  lease: Lease,
  position: number,
): Promise<boolean> {
  const { rows } = await db.query<{ checkpoint: string }>({
    name: 'move-checkpoint',
    text: `with held as (select checkpoint from subscriptions where ${HELD} for no key update),
          moved as (update subscriptions s set checkpoint = $5 from held h
                     where ${HELD} and h.checkpoint < $5)
     select checkpoint from held`,
    values: [...holder(lease), position],
  })
  if (!rows[0]) throw new LostLease(lease)
  return Number(rows[0].checkpoint) < position
}

/** Keeps whoever might take over out until the transaction ends. @throws LostLease */
export async function hold(db: Queryable, lease: Lease): Promise<void> {
  const { rowCount } = await db.query(
    `select 1 from subscriptions where ${HELD} for no key update`,
    holder(lease),
  )
  if (rowCount !== 1) throw new LostLease(lease)
}

/** Lets the next one begin at once. */
export async function resign(db: Queryable, lease: Lease): Promise<void> {
  await db.query(`update subscriptions set owner = null where ${HELD}`, holder(lease))
}

function holder({ tenantId, name, owner, epoch }: Lease): unknown[] {
  return [tenantId, name, owner, epoch]
}
