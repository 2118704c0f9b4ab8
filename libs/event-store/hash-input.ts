import { hash } from 'node:crypto'

const VIEWS_MAX = 4_096

/**
 * What is to be hashed, put together in one buffer that is used again: for each length a view is made
 * once, because making buffers costs more than hashing what stands in them.
 */
export class HashInput {
  #buffer = Buffer.alloc(16 * VIEWS_MAX)
  #views: Buffer[] = []
  #length = 0

  /** Begins anew, with a binary string: one character a byte. */
  begin(bytes: string): void {
    this.#length = this.#buffer.write(bytes, 0, 'latin1')
  }

  bytes(bytes: string): void {
    this.#length += this.#buffer.write(bytes, this.#length, 'latin1')
  }

  text(text: string): void {
    this.#room(text.length * 3)
    this.#length += this.#buffer.write(text, this.#length, 'utf8')
  }

  copy(from: Buffer, start: number, end: number): void {
    this.#room(end - start)
    this.#length += from.copy(this.#buffer, this.#length, start, end)
  }

  /** As a binary string. */
  sha256(): string {
    return hash('sha256', this.#view(), 'binary')
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

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return
    const larger = Buffer.alloc(2 * (this.#length + bytes))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
    this.#views = []
  }
}
