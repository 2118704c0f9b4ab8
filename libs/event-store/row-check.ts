import { hash } from 'node:crypto'
import { canonicalCorrelation, EventCheck, type EventFault } from './event-check.js'
import { DayText, MICROSECONDS_TO_2000, readRow } from './event-row.js'
import { HeaderBytes } from './header-bytes.js'
import type { RowBytes } from './row-window.js'

const FIELD_COUNT_BYTES = 2
const LENGTH_BYTES = 4
const POSITION_BYTES = 8
const DIGEST_BYTES = 32

/**
 * Checks rows of a COPY (`ROW_COLUMNS`) against their own hashes, from their bytes: nothing is made of
 * them but what is hashed. It only ever says that a row holds. What does not, or is not as nearly every
 * row is, is read as an event and judged by an `EventCheck`.
 */
export class RowCheck {
  readonly #events: EventCheck
  readonly #header = new HeaderBytes()
  readonly #beginning: Buffer
  readonly #day = new DayText()
  /** The newest actor: as it stands in a row, and in a header with what stands around it. */
  #actor = { row: '', header: Buffer.alloc(0) }
  #bytes: RowBytes = Buffer.alloc(0) as Buffer as RowBytes
  /** Where the next field begins with its length. */
  #at = 0

  constructor(tenantId: string) {
    this.#events = new EventCheck(tenantId)
    this.#beginning = Buffer.from(this.#events.beginning, 'latin1')
  }

  fault(bytes: RowBytes, start: number, end: number): EventFault | null {
    this.#bytes = bytes
    this.#at = start + FIELD_COUNT_BYTES + LENGTH_BYTES + POSITION_BYTES
    if (this.#holds()) return null
    return this.#events.fault(readRow(bytes.latin1Slice(start, end)))
  }

  /** The fields in their order: what is hashed together stands in that order, but for the payload. */
  #holds(): boolean {
    const header = this.#header
    const version = this.#int()
    const hashAt = this.#at + LENGTH_BYTES
    if (this.#field() !== DIGEST_BYTES) return false
    header.begin()
    if (!this.#digest()) return false
    const payloadHashAt = this.#at + LENGTH_BYTES
    if (!this.#digest()) return false
    header.put(this.#beginning)
    if (!this.#text()) return false
    header.constant('",').number(version).constant(',"')
    if (!this.#pays(payloadHashAt) || !this.#text()) return false
    header.constant('",').number(this.#smallint())
    this.#putActor()
    if (!this.#text()) return false
    this.#putCorrelation()
    header.constant(',')
    this.#putBaseVersion()
    header.constant(',"')
    if (!this.#putTime()) return false
    header.constant('"]')
    const input = header.view()
    return input !== null && this.#isAt(hashAt, hash('sha256', input, 'binary'))
  }

  /**
   * Takes salt and payload. They stand one behind the other but for the payload's length: the salt is
   * moved over it until they are hashed.
   */
  #pays(payloadHashAt: number): boolean {
    const bytes = this.#bytes
    const saltAt = this.#at + LENGTH_BYTES
    const salt = Math.max(0, this.#field())
    const lengthAt = this.#at
    const payload = this.#field()
    if (payload < 0) return true
    for (let at = lengthAt - 1; at >= saltAt; at--) {
      bytes[at + LENGTH_BYTES] = bytes[at] as number
    }
    const from = bytes.byteOffset + saltAt + LENGTH_BYTES
    const digest = hash('sha256', new Uint8Array(bytes.buffer, from, salt + payload), 'binary')
    for (let at = saltAt; at < lengthAt; at++) bytes[at] = bytes[at + LENGTH_BYTES] as number
    bytes.writeInt32BE(payload, lengthAt)
    return this.#isAt(payloadHashAt, digest)
  }

  #isAt(at: number, digest: string): boolean {
    const bytes = this.#bytes
    for (let i = 0; i < DIGEST_BYTES; i++) {
      if (bytes[at + i] !== digest.charCodeAt(i)) return false
    }
    return true
  }

  #digest(): boolean {
    const at = this.#at + LENGTH_BYTES
    if (this.#field() !== DIGEST_BYTES) return false
    this.#header.copy(this.#bytes, at, this.#at)
    return true
  }

  #text(): boolean {
    const at = this.#at + LENGTH_BYTES
    this.#field()
    return this.#header.text(this.#bytes, at, this.#at)
  }

  #putActor(): void {
    const at = this.#at + LENGTH_BYTES
    const length = this.#field()
    if (length !== this.#actor.row.length || !this.#isActor(at)) {
      const row = this.#bytes.latin1Slice(at, this.#at)
      this.#actor = { row, header: Buffer.from(this.#events.actor(row), 'latin1') }
    }
    this.#header.put(this.#actor.header)
  }

  #isActor(at: number): boolean {
    const { row } = this.#actor
    for (let i = 0; i < row.length; i++) {
      if (this.#bytes[at + i] !== row.charCodeAt(i)) return false
    }
    return true
  }

  #putCorrelation(): void {
    const at = this.#at + LENGTH_BYTES
    if (this.#field() < 0) this.#header.constant('",null')
    else this.#header.constant(canonicalCorrelation(this.#bytes.latin1Slice(at, this.#at)))
  }

  #putBaseVersion(): void {
    const isNull = this.#bytes.readInt32BE(this.#at) < 0
    if (!isNull) this.#header.number(this.#int())
    else {
      this.#field()
      this.#header.constant('null')
    }
  }

  /** A time of whole milliseconds, which all are that we wrote. */
  #putTime(): boolean {
    const bytes = this.#bytes
    const at = this.#at + LENGTH_BYTES
    const microseconds = bytes.readInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4)
    return this.#header.time((microseconds + MICROSECONDS_TO_2000) / 1_000, this.#day)
  }

  /** Takes a field. @returns its bytes, -1 for null. */
  #field(): number {
    const length = this.#bytes.readInt32BE(this.#at)
    this.#at += LENGTH_BYTES + Math.max(0, length)
    return length
  }

  #int(): number {
    this.#at += 2 * LENGTH_BYTES
    return this.#bytes.readInt32BE(this.#at - LENGTH_BYTES)
  }

  #smallint(): number {
    this.#at += LENGTH_BYTES + 2
    return this.#bytes.readInt16BE(this.#at - 2)
  }
}
