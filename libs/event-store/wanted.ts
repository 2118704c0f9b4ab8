import type { BlockEvent } from '#domain/block-events.js'
import type { BlockPast } from '#domain/block-memory.js'
import { type BlockState, changeOf, isEdit } from '#domain/block-state.js'
import type { Recorded } from '#domain/event.js'
import type { PendingUnit } from './plan.js'
import { foldStream, type Queryable, readStream } from './stream-reader.js'
import type { Wanted } from './unit.js'

/** Streams one unit may come to name: a block on thousands of agents is renamed in one commit. */
const STREAMS_MAX = 10_000
/** A block so busy that its past is outrun this often by what happens to it meanwhile is given up. */
const PASTS_MAX = 16
const PAGE_EVENTS = 1_000

/**
 * Reads what a unit asked for beside what it had, so that it can be decided again.
 *
 * @throws when it asks for too much.
 */
export async function want(db: Queryable, pending: PendingUnit, wanted: Wanted): Promise<void> {
  if ('needs' in wanted) {
    pending.streams = [...new Set([...pending.streams, ...wanted.needs])]
    if (pending.streams.length <= STREAMS_MAX) return
    throw new Error(`a unit names more than ${STREAMS_MAX} streams`)
  }
  if (++pending.pastsRead > PASTS_MAX) throw new Error(`a past was read ${PASTS_MAX} times in vain`)
  for (const [blockId, version] of wanted.since) {
    pending.pasts.set(blockId, await readPast(db, pending.unit.tenantId, blockId, version))
  }
}

/** A block's text at a version, and all that changed it since. */
export async function readPast(
  db: Queryable,
  tenantId: string,
  blockId: string,
  version: number,
): Promise<BlockPast> {
  const { state } = await foldStream(db, tenantId, blockId, version)
  const changes = []
  let upTo = version
  for (;;) {
    const page = { after: upTo, limit: PAGE_EVENTS, order: 'asc' } as const
    const events = await readStream(db, tenantId, blockId, page)
    upTo = events.at(-1)?.version ?? upTo
    for (const event of events as unknown as Recorded<BlockEvent>[]) {
      if (isEdit(event)) changes.push(changeOf(event))
    }
    if (events.length < PAGE_EVENTS) break
  }
  return { version, value: (state as BlockState).value, changes, upTo }
}
