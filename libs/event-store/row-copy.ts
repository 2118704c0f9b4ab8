import type { Connection, Submittable } from 'pg'
import { RowWindow } from './row-window.js'
import type { Queryable } from './stream-reader.js'

/** Full windows that wait; then the server has to. */
const WAITING_MAX = 2

const SIGNATURE = 'PGCOPY\n\xff\r\n\0'
/** Signature, flags, and the length of an extension nobody uses. */
const HEADER_BYTES = SIGNATURE.length + 8
const END = -1

/**
 * One COPY in the binary format, read in windows: a third of the work of a SELECT on either side, and
 * digests come as bytes instead of as hexadecimal text. The server is held up while windows wait, so
 * that memory is bounded whatever the size of the rows.
 */
export class RowCopy implements Submittable {
  rows = 0
  bytes = 0
  #filling: RowWindow | null = null
  readonly #full: RowWindow[] = []
  #ended = false
  #abandoned = false
  #error: Error | null = null
  #wake: () => void = () => {}
  #stream: Connection['stream'] | null = null
  /** Set by the client when it limits the time of its queries. */
  declare callback?: (error: Error | null) => void

  private constructor(private readonly text: string) {}

  /** @param text of a COPY whose rows begin with `KEY_COLUMNS`. */
  static start(db: Queryable, text: string): RowCopy {
    const copy = new RowCopy(text)
    // A pool says itself that it has no connection.
    Promise.resolve(db.query(copy as never)).catch((error: Error) => copy.handleError(error))
    return copy
  }

  /** Whether the last rows were taken; they may have been without this being known yet. */
  get finished(): boolean {
    return this.#ended && this.#full.length === 0
  }

  /**
   * The next rows; null after the last.
   *
   * @throws the error of the statement.
   */
  async next(): Promise<RowWindow | null> {
    while (this.#full.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    if (this.#error) throw this.#error
    const window = this.#full.shift() ?? null
    if (this.#full.length === 0) this.#stream?.resume()
    return window
  }

  /** Lets the rest go by: afterwards the connection is free. */
  async abandon(): Promise<void> {
    this.#abandoned = true
    this.#full.length = 0
    this.#stream?.resume()
    while (!this.finished) await this.next().catch(() => {})
  }

  submit(connection: Connection): void {
    this.#stream = connection.stream
    connection.query(this.text)
  }

  /** The chunk is a part of the connection's own buffer: it must be read before the next one comes. */
  handleCopyData({ chunk }: { chunk: Buffer }): void {
    if (this.#abandoned) return
    const start = startsCopy(chunk) ? HEADER_BYTES : 0
    if (start === chunk.length || chunk.readInt16BE(start) === END) return
    const row = start === 0 ? chunk : chunk.subarray(start)
    if (this.#filling && !this.#filling.hasRoomFor(row.length)) this.#fill(this.#filling)
    this.#filling ??= RowWindow.startingWith(row.length)
    this.#filling.add(row)
    this.rows += 1
    this.bytes += row.length
  }

  handleError(error: Error): void {
    this.#error ??= error
    this.#end()
  }

  handleReadyForQuery(): void {
    this.#end()
  }

  handleCommandComplete(): void {}
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {}

  #fill(window: RowWindow): void {
    this.#full.push(window)
    this.#filling = null
    if (this.#full.length >= WAITING_MAX) this.#stream?.pause()
    this.#wake()
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#stream?.resume()
    if (this.#filling) this.#full.push(this.#filling)
    this.callback?.(this.#error)
    this.#wake()
  }
}

function startsCopy(chunk: Buffer): boolean {
  return (
    chunk[0] === 0x50 &&
    chunk.length >= HEADER_BYTES &&
    chunk.toString('latin1', 0, SIGNATURE.length) === SIGNATURE
  )
}
