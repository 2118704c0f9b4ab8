import { type FileHandle, open } from 'node:fs/promises'

const CHUNK_BYTES = 256 * 1024
const LINE_END = 0x0a

/**
 * An export as it was when it was opened: what is appended to the file afterwards is not read, and a
 * file that takes its name neither. Only LF ends a line: a text may hold any other separator.
 */
export class ExportFile {
  #read = 0

  private constructor(
    private readonly handle: FileHandle,
    private readonly size: number,
  ) {}

  /** @throws whatever the file system throws. */
  static async open(path: string): Promise<ExportFile> {
    const handle = await open(path, 'r')
    const { size } = await handle.stat()
    return new ExportFile(handle, size)
  }

  /** How much of the file the newest reading has read, 0 to 1. */
  get share(): number {
    return this.#read / this.size
  }

  /** From the first, each time it is called. */
  async *lines(): AsyncGenerator<string, void, undefined> {
    this.#read = 0
    let begun: Buffer[] = []
    while (this.#read < this.size) {
      const length = Math.min(CHUNK_BYTES, this.size - this.#read)
      const { bytesRead, buffer } = await this.handle.read(
        Buffer.allocUnsafe(length),
        0,
        length,
        this.#read,
      )
      if (bytesRead === 0) break
      this.#read += bytesRead
      const chunk = buffer.subarray(0, bytesRead)
      let from = 0
      for (let end = chunk.indexOf(LINE_END); end >= 0; end = chunk.indexOf(LINE_END, from)) {
        yield textOf(begun, chunk.subarray(from, end))
        begun = []
        from = end + 1
      }
      if (from < chunk.length) begun.push(chunk.subarray(from))
    }
    if (begun.length > 0) yield textOf(begun, Buffer.alloc(0))
  }

  close(): Promise<void> {
    return this.handle.close()
  }
}

function textOf(begun: readonly Buffer[], rest: Buffer): string {
  return begun.length === 0 ? rest.toString() : Buffer.concat([...begun, rest]).toString()
}
