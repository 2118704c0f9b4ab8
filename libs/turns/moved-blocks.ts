import { reaches } from '#domain/block-memory.js'
import { type BlockState, lookBackTo, withPast } from '#domain/block-state.js'
import type { Seen } from '#domain/turn-events.js'
import { foldStream, type Queryable } from '#event-store/stream-reader.js'
import { readPast } from '#event-store/wanted.js'

/** The blocks that have moved since versions of them, each able to tell what happened since. */
export async function movedBlocks(
  db: Queryable,
  tenantId: string,
  known: Seen,
): Promise<BlockState[]> {
  const { rows } = await db.query<{ stream_id: string; version: number }>({
    name: 'heads-of-blocks',
    text: 'select stream_id, version from streams where tenant_id = $1 and stream_id = any($2::text[])',
    values: [tenantId, Object.keys(known)],
  })
  const moved = rows.filter(({ stream_id, version }) => version > (known[stream_id] ?? version))
  return Promise.all(
    moved.map(async ({ stream_id: id }) => {
      const block = (await foldStream(db, tenantId, id)).state as BlockState
      const from = lookBackTo(block, known[id] as number)
      if (reaches(block.memory, from)) return block
      return withPast(block, await readPast(db, tenantId, id, from))
    }),
  )
}
