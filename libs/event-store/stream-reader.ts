import type { ClientBase, Pool } from 'pg'
import type { Actor, Correlation } from '#domain/actor.js'
import type { BlockState } from '#domain/block-state.js'
import { type AnyEvent, type AnyState, initialState, isKnownType } from '#domain/streams.js'
import type { Header, StoredLink } from './chain.js'
import { GENESIS } from './chain.js'
import { FOLD_COLUMNS, type FoldRow, UNREAD, UnreadableEvent } from './fold-row.js'
import { FOLD_LIMITS, type FoldLimits, foldRows, foldWindows } from './fold-windows.js'
import type { StreamEvent } from './unit.js'

export type Queryable = Pick<Pool | ClientBase, 'query'>

/** A stream folded up to its newest event. Version 0: there is no such stream. */
export interface FoldedStream {
  readonly streamId: string
  readonly version: number
  readonly hash: Buffer
  readonly state: AnyState
  /** The snapshot it was folded from (0: none), and the bytes of the payloads folded since. */
  readonly snapshotVersion: number
  readonly pendingBytes: number
}

/** A stream nothing has happened on. */
export function emptyStream(streamId: string): FoldedStream {
  const state = initialState(streamId)
  return { streamId, version: 0, hash: GENESIS, state, snapshotVersion: 0, pendingBytes: 0 }
}

interface EventRow {
  tenant_id: string
  stream_id: string
  version: number
  type: string
  actor: Actor
  command_id: string
  correlation: Correlation | null
  base_version: number | null
  recorded_at: Date
  payload: object
}

const COLUMNS = `e.tenant_id, e.stream_id, e.version, e.type, e.actor, e.command_id, e.correlation,
       e.base_version, e.recorded_at, e.payload`

/**
 * Each stream from its newest snapshot, or after what is known of it: no more than $5 events of each. By a
 * lateral join with a limit, since no plan may ever read the log through for it: one that is made while the
 * tables are new and not analyzed yet is kept, and would. The conditions on `s` always hold: by them the planner
 * expects one stream, and keeps its plan where it would make a new one, five times dearer, for each call.
 */
const FOLD = {
  name: 'fold-streams',
  text: `select ${FOLD_COLUMNS}, e.hash, e.stream_id, case when e.version = p.version then p.state end
    from unnest($2::text[], $3::int[], $4::int[]) s(stream_id, known, up_to)
    left join lateral (
      select version, state from snapshots
       where tenant_id = $1 and stream_id = s.stream_id and version <= s.up_to and s.known = 0
       order by version desc limit 1) p on true
    cross join lateral (
      select * from events
       where tenant_id = $1 and stream_id = s.stream_id and version <= s.up_to
         and version >= coalesce(p.version, s.known + 1)
       order by version limit $5) e
   where s.known >= 0 and s.up_to >= 0
   order by e.stream_id, e.version`,
  ...UNREAD,
}

const NEWEST = 2_147_483_647

/**
 * Folds streams from their newest snapshot at or below `upTo`, else from version 1: in one statement,
 * but for streams with many events since, which are read on in windows, one stream after another.
 *
 * @param upTo a version for all of them, or one for each; by default the newest.
 */
export async function foldStreams(
  db: Queryable,
  tenantId: string,
  streamIds: readonly string[],
  upTo: number | ReadonlyMap<string, number> = NEWEST,
  limits: FoldLimits = FOLD_LIMITS,
): Promise<Map<string, FoldedStream>> {
  const last = (id: string): number => (typeof upTo === 'number' ? upTo : (upTo.get(id) ?? NEWEST))
  const streams = [...new Set(streamIds)].map(emptyStream)
  return whole(await foldOn(db, tenantId, streams, last, limits))
}

/** Folds streams up to their newest event, from what is known of them where anything is. */
export async function catchUp(
  db: Queryable,
  tenantId: string,
  streamIds: readonly string[],
  known: (streamId: string) => FoldedStream | undefined,
): Promise<Map<string, FoldedStream>> {
  return whole(await catchUpEach(db, tenantId, streamIds, known))
}

/** As `catchUp`, and each stream is there when it is folded, or fails, without the others. */
export function catchUpEach(
  db: Queryable,
  tenantId: string,
  streamIds: readonly string[],
  known: (streamId: string) => FoldedStream | undefined,
): Promise<Map<string, Promise<FoldedStream>>> {
  const streams = [...new Set(streamIds)].map((id) => known(id) ?? emptyStream(id))
  return foldOn(db, tenantId, streams, () => NEWEST, FOLD_LIMITS)
}

/** Folds streams up to a version of each, from what is known of them where that is not beyond it. */
export function foldEachAt(
  db: Queryable,
  tenantId: string,
  versions: ReadonlyMap<string, number>,
  known: (streamId: string) => FoldedStream | undefined,
): Promise<Map<string, Promise<FoldedStream>>> {
  const upTo = (id: string): number => versions.get(id) as number
  const streams = [...versions.keys()].map((id) => {
    const stream = known(id)
    return stream && stream.version <= upTo(id) ? stream : emptyStream(id)
  })
  return foldOn(db, tenantId, streams, upTo, FOLD_LIMITS)
}

async function whole(
  folds: ReadonlyMap<string, Promise<FoldedStream>>,
): Promise<Map<string, FoldedStream>> {
  const streams = await Promise.all(folds.values())
  return new Map(streams.map((stream) => [stream.streamId, stream]))
}

/** @param streams as far as they are known. */
async function foldOn(
  db: Queryable,
  tenantId: string,
  streams: readonly FoldedStream[],
  upTo: (streamId: string) => number,
  limits: FoldLimits,
): Promise<Map<string, Promise<FoldedStream>>> {
  if (streams.length === 0) return new Map()
  const ids = streams.map(({ streamId }) => streamId)
  const known = streams.map(({ version }) => version)
  const each = Math.max(limits.each, Math.floor(limits.first / ids.length))
  const values = [tenantId, ids, known, ids.map(upTo), each]
  const { rows } = await db.query<FoldRow & unknown[]>({ ...FOLD, values })
  const found = byStream(rows)
  let longOnes: Promise<unknown> = Promise.resolve()
  const fold = async (stream: FoldedStream): Promise<FoldedStream> => {
    const { streamId } = stream
    const read = found.get(streamId) ?? []
    const folded = foldRows(stream, read)
    if (read.length < each || folded.version >= upTo(streamId)) return folded
    const rest = longOnes.then(() => foldWindows(db, tenantId, folded, upTo(streamId)))
    longOnes = rest.catch(() => {})
    return rest
  }
  return new Map(streams.map((stream) => [stream.streamId, fold(stream)]))
}

/** @param rows each stream's next to each other */
function byStream(rows: readonly (FoldRow & unknown[])[]): Map<string, FoldRow[]> {
  const found = new Map<string, FoldRow[]>()
  for (let from = 0; from < rows.length; ) {
    const id = rows[from]?.[7] as string
    let end = from + 1
    while (end < rows.length && rows[end]?.[7] === id) end++
    found.set(id, rows.slice(from, end))
    from = end
  }
  return found
}

/** One stream, folded up to `upTo`. */
export async function foldStream(
  db: Queryable,
  tenantId: string,
  streamId: string,
  upTo: number = NEWEST,
): Promise<FoldedStream> {
  const folded = await foldStreams(db, tenantId, [streamId], upTo)
  return folded.get(streamId) as FoldedStream
}

/**
 * The text of a block's head: inline, or, when it is too long to stand there, folded from the newest
 * snapshot. The only reader of the nullable column.
 */
export async function headTexts(
  db: Queryable,
  tenantId: string,
  heads: readonly {
    readonly stream_id: string
    readonly value: string | null
    readonly version: number
  }[],
): Promise<Map<string, string>> {
  const texts = new Map<string, string>()
  const long = new Map<string, number>()
  for (const { stream_id, value, version } of heads) {
    if (value === null) long.set(stream_id, version)
    else texts.set(stream_id, value)
  }
  for (const [id, stream] of await foldStreams(db, tenantId, [...long.keys()], long)) {
    texts.set(id, (stream.state as BlockState).value)
  }
  return texts
}

/** Events of a stream by version: `after` is exclusive, `limit` at most 1,000 a page. */
export async function readStream(
  db: Queryable,
  tenantId: string,
  streamId: string,
  page: { readonly after?: number; readonly limit: number; readonly order: 'asc' | 'desc' },
): Promise<StreamEvent[]> {
  const descending = page.order === 'desc'
  const { rows } = await db.query<EventRow>({
    name: `read-stream-${page.order}`,
    text: `select ${COLUMNS} from events e
      where e.tenant_id = $1 and e.stream_id = $2 and e.version ${descending ? '<' : '>'} $3
      order by e.version ${page.order} limit $4`,
    values: [tenantId, streamId, page.after ?? (descending ? NEWEST : 0), page.limit],
  })
  return rows.map(toEvent)
}

/** What several streams hold behind the version known of each: at most `limit` events, each stream's in order. */
export async function readStreamsAfter(
  db: Queryable,
  tenantId: string,
  known: ReadonlyMap<string, number>,
  limit: number,
): Promise<StreamEvent[]> {
  const { rows } = await db.query<EventRow>({
    name: 'read-streams-after',
    text: `select ${COLUMNS} from unnest($2::text[], $3::int[]) s(stream_id, known)
      cross join lateral (select * from events
        where tenant_id = $1 and stream_id = s.stream_id and version > s.known
        order by version limit $4) e
      order by e.stream_id, e.version limit $4`,
    values: [tenantId, [...known.keys()], [...known.values()], limit],
  })
  return rows.map(toEvent)
}

/** Every link of a stream's chain, with the exact payload text, for verification. */
export async function readChain(
  db: Queryable,
  tenantId: string,
  streamId: string,
): Promise<StoredLink[]> {
  const { rows } = await db.query({
    text: `select version, type, schema, actor, command_id, correlation, base_version, recorded_at,
                  payload::text as payload, salt, payload_hash, prev_hash, hash
             from events where tenant_id = $1 and stream_id = $2 order by version`,
    values: [tenantId, streamId],
  })
  return rows.map((row): StoredLink => {
    const header: Header = {
      tenantId,
      streamId,
      version: row.version,
      type: row.type,
      schema: row.schema,
      actor: row.actor,
      commandId: row.command_id,
      correlation: row.correlation,
      baseVersion: row.base_version,
      recordedAt: row.recorded_at.toISOString(),
    }
    return {
      header,
      payload: row.payload,
      salt: row.salt,
      payloadHash: row.payload_hash,
      prevHash: row.prev_hash,
      hash: row.hash,
    }
  })
}

function toEvent(row: EventRow): StreamEvent {
  if (!isKnownType(row.type)) throw new UnreadableEvent(row.stream_id, row.version, row.type)
  const event = { type: row.type, payload: row.payload } as AnyEvent
  return {
    ...event,
    tenantId: row.tenant_id,
    streamId: row.stream_id,
    version: row.version,
    actor: row.actor,
    commandId: row.command_id,
    correlation: row.correlation,
    baseVersion: row.base_version,
    recordedAt: row.recorded_at.toISOString(),
  }
}
