import type { FoldedStream } from './stream-reader.js'

/** What a stream takes beside its texts, about. */
const STREAM_BYTES = 1_024

interface Kept {
  readonly stream: FoldedStream
  readonly bytes: number
}

/**
 * Folded streams by (tenant, stream), least recently used out first: beyond a number of them, and beyond about
 * so many bytes. A stale entry does no harm: the compare-and-set of the head finds it out.
 */
export class StateCache {
  readonly #streams = new Map<string, Kept>()
  #bytes = 0
  /** Key of the one used last, when it is known: a busy block is asked for again and again. */
  #newest = ''

  constructor(
    private readonly streamsMax: number,
    private readonly bytesMax = Number.POSITIVE_INFINITY,
  ) {}

  get(tenantId: string, streamId: string): FoldedStream | undefined {
    const key = keyOf(tenantId, streamId)
    const kept = this.#streams.get(key)
    if (kept) this.#use(key, kept)
    return kept?.stream
  }

  /** Keeps the newer of the known and the given; a stream that does not exist is not kept. */
  put(tenantId: string, stream: FoldedStream): void {
    if (stream.version === 0) return
    const key = keyOf(tenantId, stream.streamId)
    const known = this.#streams.get(key)
    if (known && known.stream.version > stream.version) return
    const kept = { stream, bytes: bytesOf(stream) }
    this.#bytes += kept.bytes - (known?.bytes ?? 0)
    this.#streams.set(key, kept)
    this.#use(key, kept)
    while (this.#streams.size > this.streamsMax || this.#isHeavy()) this.#dropOldest()
  }

  forget(tenantId: string, streamId: string): void {
    this.#drop(keyOf(tenantId, streamId))
    this.#newest = ''
  }

  /** One alone is kept, however long it is. */
  #isHeavy(): boolean {
    return this.#bytes > this.bytesMax && this.#streams.size > 1
  }

  #dropOldest(): void {
    const oldest = this.#streams.keys().next()
    if (!oldest.done) this.#drop(oldest.value)
  }

  #drop(key: string): void {
    this.#bytes -= this.#streams.get(key)?.bytes ?? 0
    this.#streams.delete(key)
  }

  #use(key: string, kept: Kept): void {
    if (key === this.#newest) return
    this.#streams.delete(key)
    this.#streams.set(key, kept)
    this.#newest = key
  }
}

/** A block remembers its text as it was, twice, beside the text; of the others what was read of them counts. */
function bytesOf({ state, pendingBytes }: FoldedStream): number {
  return STREAM_BYTES + ('value' in state ? 3 * state.value.length : pendingBytes)
}

function keyOf(tenantId: string, streamId: string): string {
  return `${tenantId}/${streamId}`
}
