/** A window is full at so many bytes: payloads are a hundred bytes or a hundred thousand. */
const WINDOW_BYTES = 256 * 1024
/** Before each row stands its length. */
const LENGTH_BYTES = 4
/** In a row the number of its fields, and before each field its length. */
const POSITION_AT = 2 + 4
const VERSION_AT = POSITION_AT + 8 + 4

/** What every buffer has and its types leave out: `toString` without looking up its encoding each time. */
export interface RowBytes extends Buffer {
  latin1Slice(start: number, end: number): string
}

/** A window on its way to another thread: its memory is handed over, not copied. */
export interface WindowMessage {
  readonly rows: number
  readonly memory: ArrayBuffer
  readonly end: number
}

/**
 * Rows of a COPY in the binary format, as they came, in one piece of memory. Each begins with a
 * position and a version.
 */
export class RowWindow {
  /** Where the newest row begins. */
  #last = 0

  private constructor(
    private readonly memory: RowBytes,
    public rows: number,
    private end: number,
  ) {}

  /** @param bytes of its first row: one larger than a window has a window of its own. */
  static startingWith(bytes: number): RowWindow {
    const size = Math.max(WINDOW_BYTES, LENGTH_BYTES + bytes)
    return new RowWindow(Buffer.allocUnsafeSlow(size) as RowBytes, 0, 0)
  }

  static received({ memory, rows, end }: WindowMessage): RowWindow {
    return new RowWindow(Buffer.from(memory) as RowBytes, rows, end)
  }

  /** For a transfer of its memory, after which nothing is left here. */
  message(): WindowMessage {
    return { memory: this.memory.buffer as ArrayBuffer, rows: this.rows, end: this.end }
  }

  hasRoomFor(bytes: number): boolean {
    return this.end + LENGTH_BYTES + bytes <= this.memory.length
  }

  add(row: Buffer): void {
    this.memory.writeUInt32LE(row.length, this.end)
    this.#last = this.end + LENGTH_BYTES
    this.memory.set(row, this.#last)
    this.end = this.#last + row.length
    this.rows += 1
  }

  /** Of the newest row. */
  key(column: 'position' | 'version'): number {
    if (column === 'version') return this.memory.readInt32BE(this.#last + VERSION_AT)
    return Number(this.memory.readBigInt64BE(this.#last + POSITION_AT))
  }

  /** Each row in its turn, where it stands. */
  each(visit: (bytes: RowBytes, start: number, end: number) => void): void {
    for (let at = 0; at < this.end; ) {
      const start = at + LENGTH_BYTES
      at = start + this.memory.readUInt32LE(at)
      visit(this.memory, start, at)
    }
  }

  /** Each row in its turn, as a binary string. */
  map<T>(read: (row: string) => T): T[] {
    const all: T[] = []
    this.each((bytes, start, end) => {
      all.push(read(bytes.latin1Slice(start, end)))
    })
    return all
  }
}
