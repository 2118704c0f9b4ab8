import type { FoldedStream } from './stream-reader.js'

/**
 * Folded streams by (tenant, stream), least recently used out first. A stale entry does no harm: the
 * compare-and-set of the head finds it out.
 */
export class StateCache {
  readonly #streams = new Map<string, FoldedStream>()
  /** Key of the one used last, when it is known: a busy block is asked for again and again. */
  #newest = ''

  constructor(private readonly streamsMax: number) {}

  get(tenantId: string, streamId: string): FoldedStream | undefined {
    const key = keyOf(tenantId, streamId)
    const stream = this.#streams.get(key)
    if (stream) this.#use(key, stream)
    return stream
  }

  /** Keeps the newer of the known and the given; a stream that does not exist is not kept. */
  put(tenantId: string, stream: FoldedStream): void {
    if (stream.version === 0) return
    const key = keyOf(tenantId, stream.streamId)
    const known = this.#streams.get(key)
    if (known && known.version > stream.version) return
    this.#streams.set(key, stream)
    this.#use(key, stream)
    if (this.#streams.size <= this.streamsMax) return
    const oldest = this.#streams.keys().next()
    if (!oldest.done) this.#streams.delete(oldest.value)
  }

  forget(tenantId: string, streamId: string): void {
    this.#streams.delete(keyOf(tenantId, streamId))
    this.#newest = ''
  }

  #use(key: string, stream: FoldedStream): void {
    if (key === this.#newest) return
    this.#streams.delete(key)
    this.#streams.set(key, stream)
    this.#newest = key
  }
}

function keyOf(tenantId: string, streamId: string): string {
  return `${tenantId}/${streamId}`
}
