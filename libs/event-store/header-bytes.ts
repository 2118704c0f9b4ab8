import type { DayText } from './event-row.js'
import { stringBuffer } from './hash-input.js'

/** More than any header of ours takes; of a longer one there is no view. */
const BYTES_MAX = 4_096
const QUOTE = 0x22
const BACKSLASH = 0x5c
const CONTROLS_END = 0x20
const ZERO = 0x30
const MINUS = 0x2d
const DAY_SECONDS = 86_400

/**
 * What is hashed of an event beside its payload, put together byte by byte: of pieces this short each
 * call into the runtime would take longer than copying them.
 */
export class HeaderBytes {
  readonly #buffer = stringBuffer(BYTES_MAX)
  readonly #views: Uint8Array[] = []
  #length = 0

  begin(): void {
    this.#length = 0
  }

  /** @returns null when it is too long. */
  view(): Uint8Array | null {
    const length = this.#length
    if (length > BYTES_MAX) return null
    const view = this.#views[length] ?? this.#buffer.subarray(0, length)
    this.#views[length] = view
    return view
  }

  copy(bytes: Uint8Array, from: number, to: number): void {
    const buffer = this.#buffer
    let length = this.#length
    for (let at = from; at < to; at++) buffer[length++] = bytes[at] as number
    this.#length = length
  }

  put(bytes: Uint8Array): void {
    this.copy(bytes, 0, bytes.length)
  }

  /** @returns false when JSON would have to escape something of it. */
  text(bytes: Uint8Array, from: number, to: number): boolean {
    const buffer = this.#buffer
    let length = this.#length
    for (let at = from; at < to; at++) {
      const byte = bytes[at] as number
      if (byte < CONTROLS_END || byte === QUOTE || byte === BACKSLASH) return false
      buffer[length++] = byte
    }
    this.#length = length
    return true
  }

  constant(bytes: string): this {
    const buffer = this.#buffer
    let length = this.#length
    for (let i = 0; i < bytes.length; i++) buffer[length++] = bytes.charCodeAt(i)
    this.#length = length
    return this
  }

  number(value: number): this {
    if (value < 0) this.#byte(MINUS)
    this.#digits(Math.abs(value), 1)
    return this
  }

  /**
   * UTC ISO-8601 with milliseconds and Z.
   *
   * @returns false for what is no time of whole milliseconds.
   */
  time(milliseconds: number, day: DayText): boolean {
    if (!Number.isInteger(milliseconds)) return false
    const date = Math.floor(milliseconds / (DAY_SECONDS * 1_000))
    const text = day.of(date)
    if (text === '') return false
    const rest = milliseconds - date * DAY_SECONDS * 1_000
    const seconds = Math.floor(rest / 1_000)
    this.constant(text)
    this.#digits(Math.floor(seconds / 3_600), 2)
    this.constant(':').#digits(Math.floor(seconds / 60) % 60, 2)
    this.constant(':').#digits(seconds % 60, 2)
    this.constant('.').#digits(rest % 1_000, 3)
    this.constant('Z')
    return true
  }

  #byte(byte: number): void {
    this.#buffer[this.#length++] = byte
  }

  /** @param least so many, with zeros before them. */
  #digits(value: number, least: number): void {
    let count = least
    for (let rest = Math.floor(value / 10 ** least); rest > 0; rest = Math.floor(rest / 10)) count++
    const end = this.#length + count
    let rest = value
    for (let at = end - 1; at >= this.#length; at--) {
      this.#buffer[at] = ZERO + (rest % 10)
      rest = Math.floor(rest / 10)
    }
    this.#length = end
  }
}
