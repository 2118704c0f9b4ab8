import { hash } from 'node:crypto'

const VIEWS_MAX = 4_096

/** What every buffer has and its types leave out: `write` without looking up its encoding each time. */
interface Latin1Buffer extends Buffer {
  latin1Write(bytes: string, at: number): number
}

/** A buffer of zeros that binary strings are written to. */
export function latin1Buffer(bytes: number): Latin1Buffer {
  return Buffer.alloc(bytes) as Latin1Buffer
}

/**
 * What is to be hashed, put together in one buffer that is used again: for each length a view is made
 * once, because making buffers costs more than hashing what stands in them. Binary strings go in, one
 * character a byte, and one comes out.
 */
export class HashInput {
  #buffer = latin1Buffer(16 * VIEWS_MAX)
  #views: Buffer[] = []
  #length = 0

  /** Begins anew. */
  begin(bytes: string): void {
    this.#length = 0
    this.bytes(bytes)
  }

  bytes(bytes: string): void {
    if (this.#length + bytes.length > this.#buffer.length) this.#grow(bytes.length)
    this.#length += this.#buffer.latin1Write(bytes, this.#length)
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
    const larger = latin1Buffer(2 * (this.#length + bytes))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
    this.#views = []
  }
}
