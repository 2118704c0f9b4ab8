import type { SignedCheckpoint } from './checkpoint.js'
import { Frontier } from './merkle.js'
import type { Queryable } from './stream-reader.js'

interface Row {
  tenant_id: string
  size: string
  root: Buffer
  last_position: string
  time: Date
  signature: Buffer
  key_id: string
  frontier: Buffer
}

/** A checkpoint with the edge of its tree, from which the next one grows. */
export interface StoredCheckpoint extends SignedCheckpoint {
  readonly frontier: Buffer
}

/** The root of `SUBTREE_LEAVES` leaves, for proofs. */
export interface Subtree {
  readonly place: number
  readonly root: Buffer
  readonly position: number
}

const SELECT = `select tenant_id, size, root, last_position, time, signature, key_id, frontier
  from audit_checkpoints where tenant_id = $1`

/** The newest checkpoint, or null before the first. */
export async function newestCheckpoint(
  db: Queryable,
  tenantId: string,
): Promise<StoredCheckpoint | null> {
  const text = `${SELECT} order by size desc limit 1`
  const { rows } = await db.query<Row>({ name: 'checkpoint-newest', text, values: [tenantId] })
  return rows[0] ? ofRow(rows[0]) : null
}

/** The newest checkpoint whose tree is not larger, or covers nothing after a position. */
export async function checkpointUpTo(
  db: Queryable,
  tenantId: string,
  bound: { readonly size: number } | { readonly position: number },
): Promise<StoredCheckpoint | null> {
  const [column, value] =
    'size' in bound ? (['size', bound.size] as const) : (['last_position', bound.position] as const)
  const text = `${SELECT} and ${column} <= $2 order by size desc limit 1`
  const { rows } = await db.query<Row>(text, [tenantId, value])
  return rows[0] ? ofRow(rows[0]) : null
}

/** Checkpoints by size. */
export async function listCheckpoints(
  db: Queryable,
  tenantId: string,
  page: { readonly after: number; readonly limit: number; readonly order: 'asc' | 'desc' },
): Promise<StoredCheckpoint[]> {
  const { after, limit, order } = page
  const text = `${SELECT} and size ${order === 'asc' ? '>' : '<'} $2 order by size ${order} limit $3`
  const { rows } = await db.query<Row>(text, [tenantId, after, limit])
  return rows.map(ofRow)
}

/** One statement, so that a checkpoint is there with its subtrees or not at all. */
export async function insertCheckpoint(
  db: Queryable,
  checkpoint: StoredCheckpoint,
  subtrees: readonly Subtree[],
): Promise<void> {
  await db.query({
    name: 'checkpoint-insert',
    text: `with trees as (
        insert into audit_subtrees (tenant_id, place, root, last_position)
        select $1, * from unnest($9::bigint[], $10::bytea[], $11::bigint[]))
      insert into audit_checkpoints (tenant_id, size, root, last_position, time, signature, key_id, frontier)
      values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    values: [
      checkpoint.tenantId,
      checkpoint.size,
      checkpoint.root,
      checkpoint.position,
      checkpoint.time,
      checkpoint.signature,
      checkpoint.keyId,
      checkpoint.frontier,
      subtrees.map(({ place }) => place),
      subtrees.map(({ root }) => root),
      subtrees.map(({ position }) => position),
    ],
  })
}

/** The tree of a checkpoint, to grow on; null when its edge does not give the root that was signed. */
export function treeOf(checkpoint: StoredCheckpoint | null): Frontier | null {
  if (!checkpoint) return Frontier.empty()
  try {
    const tree = Frontier.restore(checkpoint.size, checkpoint.frontier)
    return tree.root().equals(checkpoint.root) ? tree : null
  } catch {
    return null
  }
}

/**
 * The hashes of a tenant's events after a position, in the order of the log: what the leaves hold.
 *
 * @param upTo inclusive.
 */
export async function readLeaves(
  db: Queryable,
  tenantId: string,
  window: { readonly after: number; readonly upTo: number; readonly limit: number },
): Promise<{ readonly position: number; readonly hash: Buffer }[]> {
  const { rows } = await db.query<{ position: string; hash: Buffer }>({
    name: 'checkpoint-leaves',
    text: `select position, hash from events
      where tenant_id = $1 and position > $2 and position <= $3 order by position limit $4`,
    values: [tenantId, window.after, window.upTo, window.limit],
  })
  return rows.map(({ position, hash }) => ({ position: Number(position), hash }))
}

function ofRow(row: Row): StoredCheckpoint {
  return {
    tenantId: row.tenant_id,
    size: Number(row.size),
    root: row.root,
    position: Number(row.last_position),
    time: row.time.toISOString(),
    signature: row.signature,
    keyId: row.key_id,
    frontier: row.frontier,
  }
}
