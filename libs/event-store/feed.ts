import type { PoolClient } from 'pg'
import { type FeedEvent, type FeedFilter, lastPosition, readAll, readWindow } from './feed-event.js'
import { type Batch, FeedInbox } from './feed-inbox.js'
import { FeedPoller, type PollerOptions } from './feed-poller.js'
import type { Mark } from './fence.js'

/** The channel on which processes hint, after a commit, that the log has grown. */
export const FEED_HINTS = 'palimpsest_feed'
/** A poller that is watched and has found something stays awake for longer than this without a hint. */
export const FEED_HINT_MS = 25

export interface FeedPage {
  readonly events: readonly FeedEvent[]
  /** Where the next page starts: everything up to here has been looked at. */
  readonly position: number
  /** A page that found nothing may still have more: a narrow filter is looked through in pieces. */
  readonly hasMore: boolean
}

export interface FollowOptions {
  readonly tenantId: string
  /** Exclusive; 0 is the beginning of the log. */
  readonly after: number
  readonly filter?: FeedFilter
  readonly signal: AbortSignal
  /** A batch without events comes when there was nothing for so long. */
  readonly idleMs?: number
  /** Events kept for this reader while it is busy; beyond them it reads the log itself. */
  readonly bufferMax?: number
  /** Events it reads at a time for itself. */
  readonly windowMax?: number
  /** It has just fallen behind, while it was busy. */
  readonly onOverflow?: () => void
}

/** Events of one read: of the poller, and of a reader that is behind. */
const BATCH = 500
const BUFFER_MAX = 1_000
const IDLE_MS = 15_000
/** Beyond so many new positions at once readers at the head read for themselves. */
const DELIVERED_MAX = 5_000
/** Positions one statement looks through, and how many such pieces one page. */
const PIECE = 20_000
const PIECES_MAX = 10

/**
 * The log in the order of its positions, across all streams: no committed event is skipped, doubled or
 * out of its stream's order. One poller per process asks how far the log is certain and reads what is
 * new once, for all readers at the head; a reader that is behind reads for itself.
 */
export class Feed {
  readonly #poller: FeedPoller
  readonly #inboxes = new Set<FeedInbox>()
  #head = 0
  #started = false
  #closed = false

  /** @param options whose pool the readers that are behind use too. */
  constructor(private readonly options: PollerOptions) {
    const inboxes = this.#inboxes
    this.#poller = new FeedPoller(options, {
      get isWatched() {
        return inboxes.size > 0
      },
      onCertified: (session, upTo, past) => this.#deliver(session, upTo, past),
    })
  }

  start(): void {
    this.#poller.start()
  }

  /** Every reader ends. */
  async close(): Promise<void> {
    this.#closed = true
    for (const inbox of this.#inboxes) inbox.close()
    await this.#poller.close()
  }

  /** A hint: there may be something new for whoever stands at the head. */
  wake(): void {
    if (this.#inboxes.size > 0) this.#poller.wake()
  }

  /** The last event that can be read: nothing before it is missing. Survives a crash of the server. */
  get head(): number {
    return this.#head
  }

  /** How long the oldest event has waited to be certain, in ms, and the backend in the way after 1 s. */
  get lag(): { readonly feedLagMs: number; readonly blockingPid: number | null } {
    return this.#poller.lag
  }

  /**
   * Waits until everything committed before this call can be read, or `timeoutMs` have passed: then
   * some old transaction is in the way.
   *
   * @returns whether it can be read.
   */
  caughtUp(timeoutMs: number): Promise<boolean> {
    return this.#poller.caughtUp(timeoutMs)
  }

  /** False for a position this log has not come to: it was not this log that handed it out. */
  async holds(position: number): Promise<boolean> {
    if (position <= this.#head) return true
    const { rows } = await this.options.reads.query<{ drawn: string }>(
      'select case when is_called then last_value else 0 end as drawn from events_position',
    )
    return position <= Number(rows[0]?.drawn)
  }

  /** A page after a position; never beyond what is certain. */
  async read(
    tenantId: string,
    after: number,
    limit: number,
    filter: FeedFilter = {},
  ): Promise<FeedPage> {
    const upTo = this.#head
    const events: FeedEvent[] = []
    let position = after
    for (let piece = 0; piece < PIECES_MAX && position < upTo; piece++) {
      const end = filter.streamId === undefined ? Math.min(position + PIECE, upTo) : upTo
      const wanted = limit - events.length + 1
      const { reads } = this.options
      events.push(...(await readWindow(reads, tenantId, filter, position, end, wanted)))
      if (events.length > limit) {
        const page = events.slice(0, limit)
        return { events: page, position: page.at(-1)?.position ?? after, hasMore: true }
      }
      position = end
    }
    return { events, position, hasMore: position < upTo }
  }

  /**
   * Everything after a position, and then what comes, until the signal is aborted or the feed closed.
   * Memory is bounded whatever the reader's pace.
   *
   * @throws whatever the database throws while it reads the log for itself.
   */
  async *follow(options: FollowOptions): AsyncGenerator<Batch, void, undefined> {
    const { tenantId, filter, bufferMax = BUFFER_MAX, windowMax = BATCH } = options
    let position = options.after
    while (!this.#isOver(options)) {
      if (position < this.#head - bufferMax) {
        const page = await this.read(tenantId, position, windowMax, filter)
        position = page.position
        yield page
        continue
      }
      for await (const batch of this.#atHead(options, position)) {
        position = batch.position
        yield batch
      }
    }
  }

  #isOver({ signal }: FollowOptions): boolean {
    return this.#closed || signal.aborted
  }

  /** Ends when the reader has fallen behind. */
  async *#atHead(options: FollowOptions, after: number): AsyncGenerator<Batch, void, undefined> {
    const { tenantId, signal, filter = {} } = options
    const { bufferMax = BUFFER_MAX, windowMax = BATCH } = options
    const overflow = options.onOverflow ?? (() => {})
    let position = after
    // First stand at the head, then read up to it: nothing falls between the two.
    const joined = this.#head
    const inbox = new FeedInbox(joined, tenantId, filter, bufferMax, overflow)
    const end = (): void => inbox.close()
    signal.addEventListener('abort', end, { once: true })
    this.#inboxes.add(inbox)
    this.#poller.wake()
    try {
      while (position < joined && !this.#isOver(options)) {
        const { reads } = this.options
        const events = await readWindow(reads, tenantId, filter, position, joined, windowMax)
        position = events.length < windowMax ? joined : (events.at(-1)?.position ?? joined)
        yield { events, position }
      }
      for (;;) {
        const batch = await inbox.take(options.idleMs ?? IDLE_MS)
        if (!batch || this.#isOver(options)) return
        // A cursor of another process may lie beyond what this one has read.
        const events = batch.events.filter((event) => event.position > after)
        position = Math.max(position, batch.position)
        yield { events, position }
      }
    } finally {
      signal.removeEventListener('abort', end)
      this.#inboxes.delete(inbox)
    }
  }

  /**
   * Reads what has become certain, once for all who stand at the head.
   *
   * @param past what has to be passed before `upTo` is certain.
   * @returns how many events were read: none if it is not passed.
   */
  async #deliver(session: PoolClient, upTo: number, past?: Mark): Promise<number> {
    const few = this.#started && upTo - this.#head <= DELIVERED_MAX
    let delivered = 0
    while (few && this.#inboxes.size > 0) {
      const window = { after: this.#head, upTo, limit: BATCH }
      const events = await readAll(session, window, delivered === 0 ? past : undefined)
      delivered += events.length
      const position = events.at(-1)?.position ?? this.#head
      this.#head = position
      for (const inbox of this.#inboxes) {
        if (!inbox.offer(events, position)) this.#inboxes.delete(inbox)
      }
      if (events.length < BATCH) return delivered
    }
    if (past && delivered === 0) return 0
    this.#started = true
    const last = await lastPosition(session, upTo)
    if (last <= this.#head) return delivered
    this.#head = last
    // Whoever came to the head meanwhile has not been given this.
    for (const inbox of this.#inboxes) inbox.close()
    this.#inboxes.clear()
    return delivered
  }
}
