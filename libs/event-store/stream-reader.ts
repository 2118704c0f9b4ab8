import type { ClientBase, Pool } from 'pg'
import type { Actor, Correlation } from '#domain/actor.js'
import type { BlockState } from '#domain/block-state.js'
import { type AnyEvent, type AnyState, evolve, initialState, isKnownType } from '#domain/streams.js'
import type { Header, StoredLink } from './chain.js'
import { GENESIS } from './chain.js'
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

/** An event no fold of this version can read: only its own stream is affected. */
export class UnreadableEvent extends Error {
  constructor(streamId: string, version: number, type: string) {
    super(`event ${version} of ${streamId} has the unknown type ${type}: a newer version wrote it`)
    this.name = 'UnreadableEvent'
  }
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
  hash: Buffer
  bytes: number
  snapshot: object | null
}

const COLUMNS = `e.tenant_id, e.stream_id, e.version, e.type, e.actor, e.command_id, e.correlation,
       e.base_version, e.recorded_at, e.payload, octet_length(e.payload::text) as bytes, e.hash`

const FOLD = {
  name: 'fold-streams',
  text: `select ${COLUMNS}, case when e.version = p.version then p.state end as snapshot
    from unnest($2::text[], $3::int[]) s(stream_id, up_to)
    left join lateral (
      select version, state from snapshots
       where tenant_id = $1 and stream_id = s.stream_id and version <= s.up_to
       order by version desc limit 1) p on true
    join events e on e.tenant_id = $1 and e.stream_id = s.stream_id
                 and e.version >= coalesce(p.version, 1) and e.version <= s.up_to
   order by e.stream_id, e.version`,
}

const NEWEST = 2_147_483_647

/**
 * Folds streams from their newest snapshot at or below `upTo`, else from version 1, in one statement.
 *
 * @param upTo a version for all of them, or one for each; by default the newest.
 */
export async function foldStreams(
  db: Queryable,
  tenantId: string,
  streamIds: readonly string[],
  upTo: number | ReadonlyMap<string, number> = NEWEST,
): Promise<Map<string, FoldedStream>> {
  const folded = new Map(streamIds.map((id) => [id, emptyStream(id)]))
  if (streamIds.length === 0) return folded
  const versions = streamIds.map((id) =>
    typeof upTo === 'number' ? upTo : (upTo.get(id) ?? NEWEST),
  )
  const { rows } = await db.query<EventRow>({ ...FOLD, values: [tenantId, streamIds, versions] })
  for (const row of rows) {
    folded.set(row.stream_id, foldRow(folded.get(row.stream_id) as FoldedStream, row))
  }
  return folded
}

function foldRow(before: FoldedStream, row: EventRow): FoldedStream {
  const { version, hash, snapshot } = row
  if (snapshot) {
    return {
      ...before,
      version,
      hash,
      state: snapshot as AnyState,
      snapshotVersion: version,
      pendingBytes: 0,
    }
  }
  const state = evolve(before.state, toEvent(row))
  return { ...before, version, hash, state, pendingBytes: before.pendingBytes + row.bytes }
}

/** Folds streams up to their newest event, from what is known of them where anything is. */
export async function catchUp(
  db: Queryable,
  tenantId: string,
  streamIds: readonly string[],
  known: (streamId: string) => FoldedStream | undefined,
): Promise<Map<string, FoldedStream>> {
  const streams = new Map<string, FoldedStream>()
  for (const id of streamIds) {
    const stream = known(id)
    if (stream) streams.set(id, stream)
  }
  const unknown = streamIds.filter((id) => !streams.has(id))
  for (const [id, stream] of await foldStreams(db, tenantId, unknown)) streams.set(id, stream)
  const { rows } = await db.query<EventRow>({
    name: 'catch-up',
    text: `select ${COLUMNS}, null as snapshot
      from unnest($2::text[], $3::int[]) s(stream_id, version)
      join events e on e.tenant_id = $1 and e.stream_id = s.stream_id and e.version > s.version
     order by e.stream_id, e.version`,
    values: [tenantId, [...streams.keys()], [...streams.values()].map((stream) => stream.version)],
  })
  for (const row of rows) {
    streams.set(row.stream_id, foldRow(streams.get(row.stream_id) as FoldedStream, row))
  }
  return streams
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
