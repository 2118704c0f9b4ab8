import type { StateCache } from './state-cache.js'
import { catchUp, type FoldedStream, type Queryable } from './stream-reader.js'

/**
 * Streams as they are now, read on from what this process remembers of them: usually no more than a look
 * whether anything has come. What is read here the writer need not read again.
 */
export class KnownStreams {
  constructor(
    private readonly db: Queryable,
    private readonly cache: StateCache,
  ) {}

  /** As it was when last seen; undefined when it never was. */
  remembered(tenantId: string, streamId: string): FoldedStream | undefined {
    return this.cache.get(tenantId, streamId)
  }

  /** Up to the newest event, in one statement however many they are. */
  async fold(tenantId: string, streamIds: readonly string[]): Promise<Map<string, FoldedStream>> {
    const streams = await catchUp(this.db, tenantId, streamIds, (id) =>
      this.cache.get(tenantId, id),
    )
    for (const stream of streams.values()) this.cache.put(tenantId, stream)
    return streams
  }
}
