import type { ClientBase, Connection, Submittable } from 'pg'
import { escapeLiteral } from 'pg'
import { type AnyEvent, isKnownType } from '#domain/streams.js'
import { HashInput } from './hash-input.js'
import { UnreadableEvent } from './stream-reader.js'
import type { StreamEvent } from './unit.js'

/**
 * An event exactly as it is stored, for whoever hashes it. Digests and salt are binary strings (one
 * character a byte): they are made, compared and hashed in half the time of buffers.
 */
export interface StoredEvent {
  readonly position: number
  readonly streamId: string
  readonly version: number
  readonly type: string
  readonly schema: number
  /** JSON text. */
  readonly actor: string
  readonly commandId: string
  /** JSON text. */
  readonly correlation: string | null
  readonly baseVersion: number | null
  /** UTC ISO-8601 with milliseconds and Z; what cannot be told so is no time we wrote. */
  readonly recordedAt: string
  /** The exact text that was accepted; null once erased, as the salt is. */
  readonly payload: string | null
  readonly salt: string | null
  /** `sha256(salt ‖ payload)` of what is stored now; null once erased. */
  readonly payloadDigest: string | null
  readonly payloadHash: string
  readonly prevHash: string
  readonly hash: string
}

/**
 * The event as folds take it.
 *
 * @throws UnreadableEvent for a type this version does not know.
 */
export function streamEvent(tenantId: string, event: StoredEvent): StreamEvent {
  const { streamId, version, type, payload, correlation } = event
  if (!isKnownType(type)) throw new UnreadableEvent(streamId, version, type)
  const any = { type, payload: payload === null ? null : JSON.parse(payload) } as AnyEvent
  return {
    ...any,
    tenantId,
    streamId,
    version,
    actor: JSON.parse(event.actor),
    commandId: event.commandId,
    correlation: correlation === null ? null : JSON.parse(correlation),
    baseVersion: event.baseVersion,
    recordedAt: event.recordedAt,
  }
}

export interface ScanOptions {
  /** Exclusive: a position, or for one stream a version. Default 0. */
  readonly after?: number
  /** Inclusive, a position. Default: everything that is visible. */
  readonly upTo?: number
  /** Only this stream, by version. */
  readonly streamId?: string
}

/** A window is to hold about so many bytes: payloads are a hundred bytes or a hundred thousand. */
const WINDOW_BYTES = 4 * 1024 * 1024
const WINDOW_ROWS = { first: 200, max: 1_000 } as const
const COLUMNS = `position, stream_id, version, type, schema, actor, command_id, correlation, base_version,
  recorded_at, salt, payload, payload_hash, prev_hash, hash`
const MICROSECONDS_TO_2000 = 946_684_800_000_000

/**
 * A tenant's events in the order of the log, in windows: the next one is on its way while the caller
 * works on this one. What is visible depends on the connection's transaction: a snapshot reads a log
 * that others write to as it was at one moment.
 *
 * @param client its own connection, free of other queries meanwhile.
 */
export async function* scanLog(
  client: ClientBase,
  tenantId: string,
  options: ScanOptions = {},
): AsyncGenerator<readonly StoredEvent[], void, undefined> {
  const where = conditions(tenantId, options)
  const key = options.streamId === undefined ? 'position' : 'version'
  const read = (after: number, rows: number): CopyRows => {
    const query = new CopyRows(`copy (select ${COLUMNS} from events
      where ${where} and ${key} > ${after} order by ${key} limit ${rows}) to stdout (format binary)`)
    client.query(query)
    return query
  }
  let rows: number = WINDOW_ROWS.first
  let next = read(options.after ?? 0, rows)
  try {
    for (;;) {
      const events = await next.done
      const last = events.at(-1)
      if (!last) return
      const { bytes } = next
      const full = events.length === rows
      if (full) {
        const fitting = Math.ceil((WINDOW_BYTES * events.length) / bytes)
        rows = Math.max(1, Math.min(fitting, rows * 4, WINDOW_ROWS.max))
        next = read(last[key], rows)
      }
      yield events
      if (!full) return
    }
  } finally {
    // Whoever stops in the middle gets a connection back that is free.
    await next.done.catch(() => {})
  }
}

function conditions(tenantId: string, { upTo, streamId }: ScanOptions): string {
  const all = [`tenant_id = ${escapeLiteral(tenantId)}`]
  if (upTo !== undefined) all.push(`position <= ${upTo}`)
  if (streamId !== undefined) all.push(`stream_id = ${escapeLiteral(streamId)}`)
  return all.join(' and ')
}

/**
 * One COPY in the binary format: a third of the work of a SELECT on either side, and digests come as
 * bytes instead of as hexadecimal text.
 */
class CopyRows implements Submittable {
  readonly done: Promise<StoredEvent[]>
  bytes = 0
  readonly #events: StoredEvent[] = []
  #error: Error | null = null
  #settle: () => void = () => {}
  /** Set by the client when it limits the time of its queries. */
  declare callback?: (error: Error | null) => void

  constructor(private readonly text: string) {
    this.done = new Promise((resolve, reject) => {
      this.#settle = () => {
        this.callback?.(this.#error)
        if (this.#error) reject(this.#error)
        else resolve(this.#events)
      }
    })
    // Awaited later than it may fail.
    this.done.catch(() => {})
  }

  submit(connection: Connection): void {
    connection.query(this.text)
  }

  /** The chunk is a part of the connection's own buffer: it must be read before the next one comes. */
  handleCopyData({ chunk }: { chunk: Buffer }): void {
    try {
      const event = readRow(chunk)
      if (event) this.#events.push(event)
    } catch (error) {
      this.#error ??= error as Error
    }
    this.bytes += chunk.length
  }

  handleError(error: Error): void {
    this.#error ??= error
    this.#settle()
  }

  handleReadyForQuery(): void {
    this.#settle()
  }

  handleCommandComplete(): void {}
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {}
}

const SIGNATURE = 'PGCOPY\n\xff\r\n\0'
/** Signature, flags, and the length of an extension nobody uses. */
const HEADER_BYTES = SIGNATURE.length + 8
const END = -1

function readRow(chunk: Buffer): StoredEvent | null {
  const isFirst =
    chunk.length >= HEADER_BYTES && chunk.toString('latin1', 0, SIGNATURE.length) === SIGNATURE
  const at = isFirst ? HEADER_BYTES : 0
  if (at === chunk.length || chunk.readInt16BE(at) === END) return null
  const row = new RowReader(chunk, at + 2)
  const position = row.bigint()
  const streamId = row.text() as string
  const version = row.int() as number
  const type = row.text() as string
  const schema = row.smallint()
  const actor = row.text() as string
  const commandId = row.text() as string
  const correlation = row.text()
  const baseVersion = row.int()
  const recordedAt = isoTime(row.bigint())
  const salt = row.bytes()
  const payload = row.text()
  return {
    position,
    streamId,
    version,
    type,
    schema,
    actor,
    commandId,
    correlation,
    baseVersion,
    recordedAt,
    payload,
    salt,
    payloadDigest: payload === null ? null : row.digestWith(salt ?? ''),
    payloadHash: row.bytes() as string,
    prevHash: row.bytes() as string,
    hash: row.bytes() as string,
  }
}

const payloads = new HashInput()

/** Fields of a row one after another: each a length, -1 for null, and so many bytes. */
class RowReader {
  /** Where the newest string began. */
  private from = 0

  constructor(
    private readonly buffer: Buffer,
    private at: number,
  ) {}

  text(): string | null {
    return this.#string('utf8')
  }

  bytes(): string | null {
    return this.#string('latin1')
  }

  int(): number | null {
    if (this.#length() < 0) return null
    this.at += 4
    return this.buffer.readInt32BE(this.at - 4)
  }

  smallint(): number {
    this.at += 6
    return this.buffer.readInt16BE(this.at - 2)
  }

  /** As a double: positions and times stay far below 2⁵³. */
  bigint(): number {
    this.at += 12
    const high = this.buffer.readInt32BE(this.at - 8)
    return high * 0x1_0000_0000 + this.buffer.readUInt32BE(this.at - 4)
  }

  /** SHA-256 of a binary string and the bytes of the field just read. */
  digestWith(prefix: string): string {
    payloads.begin(prefix)
    payloads.copy(this.buffer, this.from, this.at)
    return payloads.sha256()
  }

  #string(encoding: 'utf8' | 'latin1'): string | null {
    const length = this.#length()
    if (length < 0) return null
    this.from = this.at
    this.at += length
    return this.buffer.toString(encoding, this.from, this.at)
  }

  #length(): number {
    this.at += 4
    return this.buffer.readInt32BE(this.at - 4)
  }
}

/** Neighbours in the log were written within the same second: its text is made once. */
let second = { at: Number.NaN, text: '' }

/** @param microseconds since 2000, as Postgres counts. */
function isoTime(microseconds: number): string {
  const milliseconds = (microseconds + MICROSECONDS_TO_2000) / 1_000
  const at = Math.floor(milliseconds / 1_000)
  if (at !== second.at) {
    const time = new Date(at * 1_000)
    const text = Number.isNaN(time.getTime()) ? 'no time ' : time.toISOString().slice(0, -4)
    second = { at, text }
  }
  const rest = milliseconds - at * 1_000
  // What is finer than a millisecond is no time we wrote: let it show.
  return `${second.text}${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}Z`
}
