import { createReadStream } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import {
  type CheckpointSink,
  checkpointJson,
  checkpointOf,
  type OutsideCheckpoint,
  type SignedCheckpoint,
} from '#event-store/checkpoint.js'
import { makeAuditDirectory } from './audit-directory.js'

const OWNER_ONLY = 0o600

/**
 * Checkpoints in a file of the data directory, one JSON object a line, appended and flushed to the
 * disk. Copied elsewhere from time to time it also outlives this machine's owner.
 */
export class CheckpointFile implements CheckpointSink {
  readonly path: string
  readonly #last = new Map<string, SignedCheckpoint>()
  /** How far the file was read: another process may have written more. */
  #read = 0

  /** @throws whatever the file system throws when the directory cannot be made. */
  constructor(dataDir: string) {
    this.path = makeAuditDirectory(dataDir).checkpoints
  }

  async last(tenantId: string): Promise<SignedCheckpoint | null> {
    const { size } = await sizeOf(this.path)
    if (size < this.#read) {
      // It was cut or put in the place of another: what it says now counts.
      this.#read = 0
      this.#last.clear()
    }
    if (size > this.#read) {
      for await (const checkpoint of readCheckpointFile(this.path, this.#read)) {
        this.#last.set(checkpoint.tenantId, checkpoint)
      }
      this.#read = size
    }
    return this.#last.get(tenantId) ?? null
  }

  async append(checkpoints: readonly OutsideCheckpoint[]): Promise<void> {
    const file = await open(this.path, 'a', OWNER_ONLY)
    try {
      // A line that a power cut left half written must not swallow the next one.
      const start = (await endsInLine(this.path)) ? '' : '\n'
      const lines = checkpoints.map((checkpoint) => `${JSON.stringify(lineOf(checkpoint))}\n`)
      await writeAll(file, start + lines.join(''))
      await file.datasync()
    } finally {
      await file.close()
    }
  }
}

/**
 * The checkpoints of a file, in its order, as it is when the first one is asked for. Lines that are none are left out: a power cut may leave half
 * of one, and a gap shows by the next one's `from`.
 *
 * @param from where to begin, in bytes.
 */
export async function* readCheckpointFile(
  path: string,
  from = 0,
): AsyncGenerator<OutsideCheckpoint, void, undefined> {
  const { size } = await sizeOf(path)
  if (size <= from) return
  const input = createReadStream(path, { start: from, end: size - 1, encoding: 'utf8' })
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    const checkpoint = ofLine(line)
    if (checkpoint) yield checkpoint
  }
}

function lineOf(checkpoint: OutsideCheckpoint): object {
  const marks = checkpoint.marks?.toString('base64') ?? null
  return { ...checkpointJson(checkpoint), from: checkpoint.from, marks }
}

function ofLine(line: string): OutsideCheckpoint | null {
  let json: { from?: unknown; marks?: unknown }
  try {
    json = JSON.parse(line)
  } catch {
    return null
  }
  const checkpoint = checkpointOf(json)
  if (!checkpoint || !Number.isSafeInteger(json.from)) return null
  const marks = typeof json.marks === 'string' ? Buffer.from(json.marks, 'base64') : null
  return { ...checkpoint, from: json.from as number, marks }
}

async function writeAll(file: FileHandle, text: string): Promise<void> {
  const bytes = Buffer.from(text, 'utf8')
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at)
    at += bytesWritten
  }
}

async function endsInLine(path: string): Promise<boolean> {
  const { size } = await sizeOf(path)
  if (size === 0) return true
  const file = await open(path, 'r')
  try {
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
    return buffer[0] === 0x0a
  } finally {
    await file.close()
  }
}

async function sizeOf(path: string): Promise<{ size: number }> {
  try {
    return await stat(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { size: 0 }
    throw error
  }
}
