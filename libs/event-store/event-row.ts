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

/** Whatever is read of events begins so: what they are ordered by has one place. */
export const KEY_COLUMNS = 'position, version'

/** The columns of a row, in the order in which they are read: first what tells a chain. */
export const ROW_COLUMNS = `${KEY_COLUMNS}, hash, prev_hash, payload_hash, stream_id, salt, payload,
  type, schema, actor, command_id, correlation, base_version, recorded_at`
const FIELD_COUNT_BYTES = 2
const LENGTH_BYTES = 4
/** Postgres counts microseconds since 2000. */
export const MICROSECONDS_TO_2000 = 946_684_800_000_000
/** No character of UTF-8 that takes more than one byte. */
const WIDE = /[\x80-\xff]/

const decoder = new HashInput()

/**
 * A row of a COPY in the binary format.
 *
 * @param row as a binary string. The event's strings are parts of it: who keeps one keeps the row.
 */
export function readRow(row: string): StoredEvent {
  const fields = new RowFields(row)
  return {
    position: fields.bigint(),
    version: fields.int() as number,
    hash: fields.bytes() as string,
    prevHash: fields.bytes() as string,
    payloadHash: fields.bytes() as string,
    streamId: fields.bytes() as string,
    salt: fields.bytes(),
    payload: fields.bytes(),
    type: fields.bytes() as string,
    schema: fields.smallint(),
    actor: fields.bytes() as string,
    commandId: fields.bytes() as string,
    correlation: fields.bytes(),
    baseVersion: fields.int(),
    recordedAt: isoTime(fields.time()),
  }
}

/** Fields of a row one after another: each a length, -1 for null, and so many bytes. */
export class RowFields {
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

  /** In milliseconds since 1970. */
  time(): number {
    return (this.bigint() + MICROSECONDS_TO_2000) / 1_000
  }

  #int(): number {
    this.at += 4
    return (this.#byte(-4) << 24) | (this.#byte(-3) << 16) | (this.#byte(-2) << 8) | this.#byte(-1)
  }

  #byte(before: number): number {
    return this.row.charCodeAt(this.at + before)
  }
}

/** The same binary string, and no part of another. */
export function copyOf(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('latin1')
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

const DAY_SECONDS = 86_400
const TWO_DIGITS = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'))

/** The beginning of times: neighbours in the log were mostly written on one day, whose text is made once. */
export class DayText {
  #day = Number.NaN
  #text = ''

  /**
   * @param day since 1970.
   * @returns up to and with the T; empty when there is no such day.
   */
  of(day: number): string {
    if (day !== this.#day) {
      const time = new Date(day * DAY_SECONDS * 1_000)
      this.#day = day
      this.#text = Number.isNaN(time.getTime()) ? '' : `${time.toISOString().split('T')[0]}T`
    }
    return this.#text
  }
}

const days = new DayText()
/** Most neighbours were even written within one second. */
let second = { at: Number.NaN, text: '' }

/** @param milliseconds since 1970. */
export function isoTime(milliseconds: number): string {
  const at = Math.floor(milliseconds / 1_000)
  if (at !== second.at) second = { at, text: secondText(at) }
  const rest = milliseconds - at * 1_000
  // What is finer than a millisecond is no time we wrote: let it show.
  return `${second.text}${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}Z`
}

/** @param at seconds since 1970. */
function secondText(at: number): string {
  const day = Math.floor(at / DAY_SECONDS)
  const text = days.of(day)
  if (text === '') return 'no time '
  const seconds = at - day * DAY_SECONDS
  const minutes = Math.floor(seconds / 60)
  return `${text}${TWO_DIGITS[Math.floor(minutes / 60)]}:${TWO_DIGITS[minutes % 60]}:${TWO_DIGITS[seconds % 60]}.`
}
