import type { Pool } from 'pg'
import { streamKind } from '#domain/event.js'
import { storedState } from '#domain/streams.js'
import type { FoldedStream } from './stream-reader.js'

/** Events between two snapshots of a short stream: any past version is then a short fold away. */
const EVENTS_BETWEEN = 100
/**
 * A longer text is written again only when the events since are as many bytes as it is: reading it then
 * costs at most twice its length, and writing it adds at most as much as its events do.
 */
const GROWTH_SHARE = 1
const BYTES_BETWEEN_MIN = 4_096
/** Code points from which a stream counts as long: what its head no longer holds inline. */
const LONG = 2_048
const REMEMBERED_MAX = 20_000
const WRITES_MAX = 2

interface Taken {
  readonly version: number
  /** Pending bytes of the stream when it was taken. */
  readonly bytes: number
}

/**
 * Writes folded states beside the log, after the commit and in nobody's latency. They are a cache:
 * one may be missing or late, and a read folds a little more.
 */
export class Snapshots {
  readonly #taken = new Map<string, Taken>()
  /** Due, each as it was last seen. */
  readonly #due = new Map<string, { readonly tenantId: string; readonly stream: FoldedStream }>()
  readonly #writing = new Map<string, Promise<void>>()

  constructor(
    private readonly pool: Pool,
    private readonly onError: (error: unknown) => void = () => {},
  ) {}

  /** Takes one if it is time, when its turn comes. */
  consider(tenantId: string, stream: FoldedStream): void {
    if (streamKind(stream.streamId) === 'turn') return
    const key = `${tenantId}/${stream.streamId}`
    if (this.#writing.has(key) || !isDue(stream, this.#taken.get(key))) return
    this.#due.set(key, { tenantId, stream })
    this.#next()
  }

  /** Waits until all that are due are written. */
  async idle(): Promise<void> {
    while (this.#writing.size > 0) await Promise.all(this.#writing.values())
  }

  /** Few at a time: blocks that are edited together come due together, and commits go before. */
  #next(): void {
    for (const [key, { tenantId, stream }] of this.#due) {
      if (this.#writing.size >= WRITES_MAX) return
      this.#due.delete(key)
      const written = this.#write(tenantId, stream)
        .then(
          () => this.#remember(key, { version: stream.version, bytes: stream.pendingBytes }),
          this.onError,
        )
        .then(() => {
          this.#writing.delete(key)
          this.#next()
        })
      this.#writing.set(key, written)
    }
  }

  async #write(tenantId: string, stream: FoldedStream): Promise<void> {
    await this.pool.query({
      name: 'write-snapshot',
      text: `insert into snapshots (tenant_id, stream_id, version, state)
             values ($1, $2, $3, $4) on conflict do nothing`,
      values: [
        tenantId,
        stream.streamId,
        stream.version,
        JSON.stringify(storedState(stream.state)),
      ],
    })
  }

  #remember(key: string, taken: Taken): void {
    this.#taken.delete(key)
    this.#taken.set(key, taken)
    if (this.#taken.size <= REMEMBERED_MAX) return
    const oldest = this.#taken.keys().next()
    if (!oldest.done) this.#taken.delete(oldest.value)
  }
}

/** What was taken here counts unless the stream was folded from a newer snapshot since. */
function isDue(stream: FoldedStream, taken: Taken | undefined): boolean {
  const last =
    taken && taken.version > stream.snapshotVersion
      ? taken
      : { version: stream.snapshotVersion, bytes: 0 }
  const length = 'length' in stream.state ? stream.state.length : 0
  if (length <= LONG) return stream.version - last.version >= EVENTS_BETWEEN
  const growth = Math.max(BYTES_BETWEEN_MIN, length * GROWTH_SHARE)
  return stream.pendingBytes - last.bytes >= growth
}
