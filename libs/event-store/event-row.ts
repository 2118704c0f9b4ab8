import { HashInput } from './hash-input.js'

/**
 * An event exactly as it is stored, for whoever hashes it. All its strings are binary strings: the bytes
 * that are hashed, of texts their UTF-8, one character a byte. They are made, compared and hashed in
 * half the time of buffers. `decoded` gives the text.
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
  readonly payloadHash: string
  readonly prevHash: string
  readonly hash: string
}

/** The columns of a row, in the order in which they are read. */
export const ROW_COLUMNS = `position, version, schema, recorded_at, base_version, payload_hash, prev_hash, hash,
  stream_id, type, actor, command_id, correlation, salt, payload`
const FIELD_COUNT_BYTES = 2
const LENGTH_BYTES = 4
const MICROSECONDS_TO_2000 = 946_684_800_000_000
/** No character of UTF-8 that takes more than one byte. */
const WIDE = /[\x80-\xff]/

const decoder = new HashInput()

/**
 * A row of a COPY in the binary format.
 *
 * @param row as a binary string. The event's strings are parts of it: who keeps one keeps the row.
 */
export function readRow(row: string): StoredEvent {
  const fields = new FieldReader(row)
  return {
    position: fields.bigint(),
    version: fields.int() as number,
    schema: fields.smallint(),
    recordedAt: isoTime(fields.bigint()),
    baseVersion: fields.int(),
    payloadHash: fields.bytes() as string,
    prevHash: fields.bytes() as string,
    hash: fields.bytes() as string,
    streamId: fields.bytes() as string,
    type: fields.bytes() as string,
    actor: fields.bytes() as string,
    commandId: fields.bytes() as string,
    correlation: fields.bytes(),
    salt: fields.bytes(),
    payload: fields.bytes(),
  }
}

/** Fields of a row one after another: each a length, -1 for null, and so many bytes. */
export class FieldReader {
  /** @param at where the first of them begins. */
  constructor(
    private readonly row: string,
    public at = FIELD_COUNT_BYTES,
  ) {}

  bytes(): string | null {
    const length = this.#int()
    if (length < 0) return null
    this.at += length
    return this.row.slice(this.at - length, this.at)
  }

  int(): number | null {
    return this.#int() < 0 ? null : this.#int()
  }

  smallint(): number {
    this.at += LENGTH_BYTES + 2
    return ((this.#byte(-2) << 24) >> 16) | this.#byte(-1)
  }

  /** As a double: positions and times stay far below 2⁵³. */
  bigint(): number {
    this.at += LENGTH_BYTES
    const high = this.#int()
    return high * 0x1_0000_0000 + (this.#int() >>> 0)
  }

  #int(): number {
    this.at += 4
    return (this.#byte(-4) << 24) | (this.#byte(-3) << 16) | (this.#byte(-2) << 8) | this.#byte(-1)
  }

  #byte(before: number): number {
    return this.row.charCodeAt(this.at + before)
  }
}

/** The bytes of a text, as a binary string. */
export function encoded(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** The text whose UTF-8 these bytes are. */
export function decoded(bytes: string): string {
  if (!WIDE.test(bytes)) return bytes
  decoder.begin(bytes)
  return decoder.text()
}

/** Neighbours in the log were written within the same second: its text is made once. */
let second = { at: Number.NaN, text: '' }

/** @param microseconds since 2000, as Postgres counts. */
export function isoTime(microseconds: number): string {
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
