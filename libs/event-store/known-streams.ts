import { GroupReads } from './group-reads.js'
import type { StateCache } from './state-cache.js'
import { catchUpEach, type FoldedStream, foldEachAt, type Queryable } from './stream-reader.js'

/**
 * Streams as they are now, or as they were, read on from what this process remembers of them: usually no more than a
 * look whether anything has come, and one look for all who ask meanwhile. What is read here the writer need not read
 * again.
 */
export class KnownStreams {
  readonly #reads: GroupReads<FoldedStream>
  /** By stream and version. */
  readonly #pasts: GroupReads<FoldedStream>

  constructor(
    private readonly db: Queryable,
    private readonly cache: StateCache,
  ) {
    this.#reads = new GroupReads((tenantId, ids) =>
      catchUpEach(db, tenantId, ids, (id) => cache.get(tenantId, id)),
    )
    this.#pasts = new GroupReads((tenantId, keys) => this.#readAt(tenantId, keys))
  }

  /** As it was when last seen; undefined when it never was. */
  remembered(tenantId: string, streamId: string): FoldedStream | undefined {
    return this.cache.get(tenantId, streamId)
  }

  /** Up to the newest event, in one statement however many they are. */
  async fold(tenantId: string, streamIds: readonly string[]): Promise<Map<string, FoldedStream>> {
    const streams = await this.#reads.getAll(tenantId, streamIds)
    for (const stream of streams.values()) this.cache.put(tenantId, stream)
    return streams
  }

  /** Each at a version it has had; not remembered, since the writer had better not begin from there. */
  async at(
    tenantId: string,
    versions: ReadonlyMap<string, number>,
  ): Promise<Map<string, FoldedStream>> {
    const keys = [...versions].map(([id, version]) => `${id}@${version}`)
    const streams = await this.#pasts.getAll(tenantId, keys)
    return new Map([...streams.values()].map((stream) => [stream.streamId, stream]))
  }

  /** A statement has each stream once: what is asked for of it at another version is read apart. */
  async #readAt(
    tenantId: string,
    keys: readonly string[],
  ): Promise<Map<string, Promise<FoldedStream>>> {
    const together = new Map<string, number>()
    const apart = new Map<string, ReadonlyMap<string, number>>()
    for (const key of keys) {
      const [id, version] = key.split('@') as [string, string]
      if (together.has(id)) apart.set(key, new Map([[id, Number(version)]]))
      else together.set(id, Number(version))
    }
    const known = (id: string): FoldedStream | undefined => this.cache.get(tenantId, id)
    const folds = await foldEachAt(this.db, tenantId, together, known)
    const answers = new Map<string, Promise<FoldedStream>>()
    for (const [id, stream] of folds) answers.set(`${id}@${together.get(id)}`, stream)
    for (const [key, versions] of apart) {
      const read = foldEachAt(this.db, tenantId, versions, known)
      answers.set(
        key,
        read.then((alone) => [...alone.values()][0] as Promise<FoldedStream>),
      )
    }
    return answers
  }
}
