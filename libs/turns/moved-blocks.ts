import { reaches } from '#domain/block-memory.js'
import { type BlockState, lookBackTo, withPast } from '#domain/block-state.js'
import type { Seen } from '#domain/turn-events.js'
import type { Queryable } from '#event-store/stream-reader.js'
import { readPast } from '#event-store/wanted.js'

/**
 * The blocks that have moved since versions of them, each able to tell what happened since.
 *
 * @param blocks as they are now
 * @param known versions by id
 */
export async function movedBlocks(
  db: Queryable,
  tenantId: string,
  blocks: readonly BlockState[],
  known: Seen,
): Promise<BlockState[]> {
  const moved = blocks.filter(({ id, version }) => version > (known[id] ?? version))
  return Promise.all(
    moved.map(async (block) => {
      const from = lookBackTo(block, known[block.id] as number)
      if (reaches(block.memory, from)) return block
      return withPast(block, await readPast(db, tenantId, block.id, from))
    }),
  )
}
