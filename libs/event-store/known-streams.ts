import { GroupReads } from './group-reads.js'
import type { StateCache } from './state-cache.js'
import { catchUpEach, type FoldedStream, type Queryable } from './stream-reader.js'

/**
 * Streams as they are now, read on from what this process remembers of them: usually no more than a look
 * whether anything has come, and one look for all who ask meanwhile. What is read here the writer need not read
 * again.
 */
export class KnownStreams {
  readonly #reads: GroupReads<FoldedStream>

  constructor(
    db: Queryable,
    private readonly cache: StateCache,
  ) {
    this.#reads = new GroupReads((tenantId, ids) =>
      catchUpEach(db, tenantId, ids, (id) => cache.get(tenantId, id)),
    )
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
}
