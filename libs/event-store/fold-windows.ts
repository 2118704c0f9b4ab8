import { evolveAll, restoreState } from '#domain/streams.js'
import { bytesOf, FOLD_COLUMNS, type FoldRow, foldable, hashOf, UNREAD } from './fold-row.js'
import type { FoldedStream, Queryable } from './stream-reader.js'

/** How much of the log is in memory at once, whatever is folded. */
export interface FoldLimits {
  /** Events of the first statement, over all of its streams, and the least of each of them. */
  readonly first: number
  readonly each: number
  /** Of a later window: events, and about how many bytes of payload. */
  readonly window: number
  readonly windowBytes: number
}

/** `each` is more than stand between two snapshots: further windows are for what has none. */
export const FOLD_LIMITS: FoldLimits = {
  first: 5_000,
  each: 128,
  window: 2_000,
  windowBytes: 4 * 1024 * 1024,
}

const WINDOW = {
  name: 'fold-window',
  text: `select ${FOLD_COLUMNS} from events e
    where e.tenant_id = $1 and e.stream_id = $2 and e.version >= $3 and e.version < $4
    order by e.version`,
  ...UNREAD,
}

/** Versions have no gaps: the next window can be asked for while this one is folded. */
export async function foldWindows(
  db: Queryable,
  tenantId: string,
  before: FoldedStream,
  upTo: number,
  limits: FoldLimits,
): Promise<FoldedStream> {
  const { streamId } = before
  const last = (from: number, size: number): number => Math.min(from + size - 1, upTo)
  const read = (from: number, to: number): Promise<FoldRow[]> => {
    const values = [tenantId, streamId, from, to + 1]
    return db.query<FoldRow & unknown[]>({ ...WINDOW, values }).then(({ rows }) => rows)
  }
  let stream = before
  let from = stream.version + 1
  let to = last(from, limits.each)
  let window = read(from, to)
  try {
    for (;;) {
      const rows = await window
      const full = rows.length === to - from + 1
      if (full && to < upTo) {
        const size = nextWindow(rows, limits)
        from = to + 1
        to = last(from, size)
        window = read(from, to)
        stream = foldRows(stream, rows)
      } else return withHash(db, tenantId, foldRows(stream, rows))
    }
  } finally {
    await window.catch(() => {})
  }
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

/** Four times as many events as before, unless they are large. */
function nextWindow(rows: readonly FoldRow[], { window, windowBytes }: FoldLimits): number {
  const bytes = rows.reduce((sum, row) => sum + bytesOf(row), 0)
  const fitting = Math.ceil((windowBytes * rows.length) / Math.max(1, bytes))
  return Math.min(rows.length * 4, fitting, window)
}

/** @param rows what follows; the first of them may bring a snapshot, which counts instead of it. */
export function foldRows(before: FoldedStream, rows: readonly FoldRow[]): FoldedStream {
  const last = rows.at(-1)
  if (!last) return before
  const first = rows[0]?.[8] ? restored(before, rows[0]) : before
  const events = first === before ? rows : rows.slice(1)
  const state = evolveAll(
    first.state,
    events.map((row) => foldable(first.streamId, row)),
  )
  const hash = last[6] === undefined ? first.hash : hashOf(last)
  const pendingBytes = events.reduce((sum, row) => sum + bytesOf(row), first.pendingBytes)
  return { ...first, version: Number(last[0]), hash, state, pendingBytes }
}

function restored(before: FoldedStream, row: FoldRow): FoldedStream {
  const state = restoreState(before.streamId, JSON.parse(row[8] as string))
  return { ...before, state, snapshotVersion: Number(row[0]), pendingBytes: 0 }
}
