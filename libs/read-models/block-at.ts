import type { Actor } from '#domain/actor.js'
import type { BlockState } from '#domain/block-state.js'
import { foldStream, type Queryable, readStream } from '#event-store/stream-reader.js'
import type { BlockView } from './blocks.js'

/** The block as it stood at a version, or the version it has reached when that is lower. */
export type BlockAt = { readonly block: BlockView } | { readonly head: number }

/**
 * Folds a block up to `version` (1 or more), from the newest snapshot at or below it. History stays
 * readable after the block was deleted: at the version of the deletion stands its last text.
 *
 * @returns null when there never was such a block
 */
export async function blockAtVersion(
  pool: Queryable,
  tenantId: string,
  blockId: string,
  version: number,
): Promise<BlockAt | null> {
  const page = { after: version - 1, limit: 1, order: 'asc' } as const
  const [stream, [event]] = await Promise.all([
    foldStream(pool, tenantId, blockId, version),
    readStream(pool, tenantId, blockId, page),
  ])
  if (stream.version === 0) return null
  if (stream.version < version) return { head: stream.version }
  if (!event) throw new Error(`version ${version} of ${blockId} was folded but cannot be read`)
  const state = stream.state as BlockState
  return {
    block: {
      id: blockId,
      version,
      value: state.value,
      settings: state.settings,
      deleted: state.deleted,
      createdAt: new Date(state.createdAt),
      createdBy: state.createdBy as Actor,
      updatedAt: new Date(event.recordedAt),
      updatedBy: event.actor,
    },
  }
}

/** Whether there ever was such a block. */
export async function blockExists(
  pool: Queryable,
  tenantId: string,
  blockId: string,
): Promise<boolean> {
  const { rows } = await pool.query(
    'select 1 from streams where tenant_id = $1 and stream_id = $2',
    [tenantId, blockId],
  )
  return rows.length > 0
}

/** Halves the versions until one is left: a page of the index a step, however long the history. */
const BISECT = `
with recursive bisect(low, high) as (
  select 0, version from streams where tenant_id = $1 and stream_id = $2
   union all
  select case when e.recorded_at <= $3 then b.mid else b.low end,
         case when e.recorded_at <= $3 then b.high else b.mid - 1 end
    from (select low, high, (low + high + 1) / 2 as mid from bisect where low < high) b
   cross join lateral (
     select recorded_at from events
      where tenant_id = $1 and stream_id = $2 and version = b.mid limit 1) e)
select low as version from bisect where low = high`

/**
 * The version a block had at a moment. Times are those of the processes that wrote: where their clocks
 * differ, so does the answer.
 *
 * @returns 0 before its creation, and for an id that no block ever had
 */
export async function versionAt(
  pool: Queryable,
  tenantId: string,
  blockId: string,
  at: Date,
): Promise<number> {
  const { rows } = await pool.query<{ version: number }>(BISECT, [
    tenantId,
    blockId,
    at.toISOString(),
  ])
  return rows[0]?.version ?? 0
}

/** The version a block has reached; 0 for an id that no block ever had. */
export async function headVersion(
  pool: Queryable,
  tenantId: string,
  blockId: string,
): Promise<number> {
  const { rows } = await pool.query<{ version: number }>(
    'select version from streams where tenant_id = $1 and stream_id = $2',
    [tenantId, blockId],
  )
  return rows[0]?.version ?? 0
}

/** The place in the log of a version of a block; of version 0 the place before all others. */
export async function positionOf(
  pool: Queryable,
  tenantId: string,
  blockId: string,
  version: number,
): Promise<number> {
  const { rows } = await pool.query<{ position: string }>(
    'select position from events where tenant_id = $1 and stream_id = $2 and version = $3',
    [tenantId, blockId, version],
  )
  return Number(rows[0]?.position ?? 0)
}
