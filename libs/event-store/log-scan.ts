import { escapeLiteral } from 'pg'
import type { Actor } from '#domain/actor.js'
import { isKnownType } from '#domain/streams.js'
import { foldedPayload } from './edit-payload.js'
import { decoded, encoded, ROW_COLUMNS, readRow, type StoredEvent } from './event-row.js'
import { UnreadableEvent } from './fold-row.js'
import { RowCopy } from './row-copy.js'
import type { RowWindow } from './row-window.js'
import type { Queryable } from './stream-reader.js'
import type { StreamEvent } from './unit.js'

/**
 * The event as folds take it: of an edit's payload they take the effect and nothing else.
 *
 * @throws UnreadableEvent for a type this version does not know.
 */
export function streamEvent(tenantId: string, event: StoredEvent): StreamEvent {
  const { version, payload, correlation, baseVersion, recordedAt } = event
  const streamId = decoded(event.streamId)
  const type = decoded(event.type)
  if (!isKnownType(type)) throw new UnreadableEvent(streamId, version, type)
  return {
    type,
    payload: payload === null ? null : foldedPayload(type, payload, decoded),
    tenantId,
    streamId,
    version,
    actor: actorOf(event.actor),
    commandId: decoded(event.commandId),
    correlation: correlation === null ? null : JSON.parse(decoded(correlation)),
    baseVersion,
    recordedAt,
  } as StreamEvent
}

/** Few act, and each many times. */
const actors = new Map<string, Actor>()
const ACTORS_MAX = 1_000

function actorOf(json: string): Actor {
  const known = actors.get(json)
  if (known) return known
  if (actors.size >= ACTORS_MAX) actors.clear()
  const text = decoded(json)
  const actor = JSON.parse(text) as Actor
  // A part of a row would keep the row.
  actors.set(encoded(text), actor)
  return actor
}

export interface ScanOptions {
  /** Exclusive: a position, or for one stream a version. Default 0. */
  readonly after?: number
  /** Inclusive, a position. Default: everything that is visible. */
  readonly upTo?: number
  /** Only this stream, by version. */
  readonly streamId?: string
  /** Inclusive. */
  readonly upToVersion?: number
}

/** One statement is to bring about so many bytes: whoever stops in the middle waits for its end. */
const COPY_BYTES = 16 * 1024 * 1024
const COPY_ROWS = { first: 500, max: 20_000 } as const

/** A tenant's events in the order of the log, in windows, as `scanWindows` reads them. */
export async function* scanLog(
  db: Queryable,
  tenantId: string,
  options: ScanOptions = {},
): AsyncGenerator<readonly StoredEvent[], void, undefined> {
  for await (const window of scanWindows(db, tenantId, options)) yield window.map(readRow)
}

/**
 * The rows of a tenant's events in the order of the log, in windows: the next one is on its way while
 * the caller works on this one. What is visible depends on the connection's transaction: a snapshot
 * reads a log that others write to as it was at one moment.
 *
 * @param db a connection of its own, free of other queries meanwhile, or a pool.
 * @param columns after the first two, which must be `KEY_COLUMNS`, whatever the caller wants to read.
 */
export async function* scanWindows(
  db: Queryable,
  tenantId: string,
  options: ScanOptions = {},
  columns: string = ROW_COLUMNS,
): AsyncGenerator<RowWindow, void, undefined> {
  const where = conditions(tenantId, options)
  const key = options.streamId === undefined ? 'position' : 'version'
  let last = options.after ?? 0
  let limit: number = COPY_ROWS.first
  const read = (): RowCopy =>
    RowCopy.start(
      db,
      `copy (select ${columns} from events
      where ${where} and ${key} > ${last} order by ${key} limit ${limit}) to stdout (format binary)`,
    )
  const following = ({ rows, bytes }: RowCopy): RowCopy => {
    const fitting = Math.ceil((COPY_BYTES * rows) / bytes)
    limit = Math.max(1, Math.min(fitting, limit * 4, COPY_ROWS.max))
    return read()
  }
  let copy = read()
  try {
    for (;;) {
      const window = await copy.next()
      last = window?.key(key) ?? last
      const full = copy.rows === limit
      if (copy.finished && full) copy = following(copy)
      if (window) yield window
      else if (!full) return
    }
  } finally {
    // Whoever stops in the middle gets a connection back that is free.
    await copy.abandon()
  }
}

function conditions(tenantId: string, { upTo, upToVersion, streamId }: ScanOptions): string {
  const all = [`tenant_id = ${escapeLiteral(tenantId)}`]
  if (upTo !== undefined) all.push(`position <= ${upTo}`)
  if (upToVersion !== undefined) all.push(`version <= ${upToVersion}`)
  if (streamId !== undefined) all.push(`stream_id = ${escapeLiteral(streamId)}`)
  return all.join(' and ')
}
