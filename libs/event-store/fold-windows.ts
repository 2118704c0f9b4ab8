import { evolveAll, restoreState } from '#domain/streams.js'
import {
  COPIED_COLUMNS,
  copiedEvent,
  type FoldEvent,
  type FoldRow,
  foldEvent,
  hashOf,
} from './fold-row.js'
import { scanWindows } from './log-scan.js'
import type { FoldedStream, Queryable } from './stream-reader.js'

/** How many events the first statement reads: over all of its streams, and the least of each of them. */
export interface FoldLimits {
  readonly first: number
  readonly each: number
}

/** `each` is more than stand between two snapshots: further windows are for what has none. */
export const FOLD_LIMITS: FoldLimits = { first: 5_000, each: 128 }

/**
 * Folds a stream on to a version, in windows of bounded size: the next one is on its way while this one
 * is folded.
 */
export async function foldWindows(
  db: Queryable,
  tenantId: string,
  before: FoldedStream,
  upTo: number,
): Promise<FoldedStream> {
  const { streamId, version: after } = before
  const options = { streamId, after, upToVersion: upTo }
  let stream = before
  for await (const window of scanWindows(db, tenantId, options, COPIED_COLUMNS)) {
    stream = foldEvents(
      stream,
      window.map((row) => copiedEvent(streamId, row)),
    )
  }
  return withHash(db, tenantId, stream)
}

/** The hash of the last event alone. */
async function withHash(
  db: Queryable,
  tenantId: string,
  stream: FoldedStream,
): Promise<FoldedStream> {
  const { rows } = await db.query<{ hash: Buffer }>({
    name: 'fold-hash',
    text: 'select hash from events where tenant_id = $1 and stream_id = $2 and version = $3',
    values: [tenantId, stream.streamId, stream.version],
  })
  return { ...stream, hash: rows[0]?.hash ?? stream.hash }
}

/** @param rows what follows; the first of them may bring a snapshot, which counts instead of it. */
export function foldRows(before: FoldedStream, rows: readonly FoldRow[]): FoldedStream {
  const last = rows.at(-1)
  if (!last) return before
  const first = rows[0]?.[8] ? restored(before, rows[0]) : before
  const events = first === before ? rows : rows.slice(1)
  const stream = foldEvents(
    first,
    events.map((row) => foldEvent(first.streamId, row)),
  )
  const hash = last[6] === undefined ? first.hash : hashOf(last)
  return { ...stream, version: Number(last[0]), hash }
}

function foldEvents(before: FoldedStream, events: readonly FoldEvent[]): FoldedStream {
  const version = events.at(-1)?.version ?? before.version
  const state = evolveAll(before.state, events)
  const pendingBytes = events.reduce((sum, { bytes }) => sum + bytes, before.pendingBytes)
  return { ...before, version, state, pendingBytes }
}

function restored(before: FoldedStream, row: FoldRow): FoldedStream {
  const state = restoreState(before.streamId, JSON.parse(row[8] as string))
  return { ...before, state, snapshotVersion: Number(row[0]), pendingBytes: 0 }
}
