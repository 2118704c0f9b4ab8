import { hash } from 'node:crypto'

const VIEWS_MAX = 4_096

/** UTF-8 needs at most three bytes for a UTF-16 unit. */
const BYTES_PER_UNIT = 3

/** What every buffer has and its types leave out: `write` without looking up its encoding each time. */
interface StringBuffer extends Buffer {
  latin1Write(bytes: string, at: number): number
  utf8Write(text: string, at: number): number
}

/** A buffer of zeros that strings are written to. */
export function stringBuffer(bytes: number): StringBuffer {
  return Buffer.alloc(bytes) as StringBuffer
}

/**
 * What is to be hashed, put together in one buffer that is used again: for each length a view is made
 * once, because making buffers costs more than hashing what stands in them. Binary strings go in, one
 * character a byte, and one comes out; for what is none there are `buffer` and `utf8`.
 */
export class HashInput {
  #buffer = stringBuffer(16 * VIEWS_MAX)
  #views: Buffer[] = []
  #length = 0

  /** Begins anew. */
  begin(bytes?: string): void {
    this.#length = 0
    if (bytes !== undefined) this.bytes(bytes)
  }

  bytes(bytes: string): void {
    if (this.#length + bytes.length > this.#buffer.length) this.#grow(bytes.length)
    this.#length += this.#buffer.latin1Write(bytes, this.#length)
  }

  /** The same for what is no binary string. */
  buffer(bytes: Buffer): void {
    if (this.#length + bytes.length > this.#buffer.length) this.#grow(bytes.length)
    this.#buffer.set(bytes, this.#length)
    this.#length += bytes.length
  }

  /** A text, in UTF-8. */
  utf8(text: string): void {
    const bytesMax = BYTES_PER_UNIT * text.length
    if (this.#length + bytesMax > this.#buffer.length) this.#grow(bytesMax)
    this.#length += this.#buffer.utf8Write(text, this.#length)
  }

  sha256(): string {
    return hash('sha256', this.#view(), 'binary')
  }

  /** What was put together. */
  binary(): string {
    return this.#buffer.toString('latin1', 0, this.#length)
  }

  /** What it says in UTF-8. */
  text(): string {
    return this.#buffer.toString('utf8', 0, this.#length)
  }

  #view(): Buffer {
    const length = this.#length
    if (length >= VIEWS_MAX) return this.#buffer.subarray(0, length)
    const known = this.#views[length]
    if (known) return known
    const view = this.#buffer.subarray(0, length)
    this.#views[length] = view
    return view
  }

  #grow(bytes: number): void {
    const larger = stringBuffer(2 * (this.#length + bytes))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
    this.#views = []
  }
}
