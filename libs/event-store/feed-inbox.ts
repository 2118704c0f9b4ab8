import { type FeedEvent, type FeedFilter, matches } from './feed-event.js'

/** Events in the order of the log. Nothing the reader wants is missing up to `position`. */
export interface Batch {
  readonly events: readonly FeedEvent[]
  readonly position: number
}

/**
 * What the poller has read for one reader at the head and the reader has not taken yet. It is bounded:
 * when it is full it takes no more, and the reader goes on from the log itself.
 */
export class FeedInbox {
  #events: FeedEvent[] = []
  #open = true
  #wake: (() => void) | null = null

  constructor(
    /** Everything after this position comes here. */
    public position: number,
    private readonly tenantId: string,
    private readonly filter: FeedFilter,
    private readonly eventsMax: number,
    private readonly onOverflow: () => void,
  ) {}

  /**
   * @param position up to which the log has been read.
   * @returns false once it takes no more.
   */
  offer(events: readonly FeedEvent[], position: number): boolean {
    if (!this.#open) return false
    const { tenantId, filter } = this
    const mine = events.filter((e) => e.tenantId === tenantId && matches(e, filter))
    if (this.#events.length + mine.length > this.eventsMax) {
      this.close()
      this.onOverflow()
      return false
    }
    this.#events.push(...mine)
    this.position = position
    if (mine.length > 0) this.#wake?.()
    return true
  }

  /** Nothing more comes: what is there can still be taken. */
  close(): void {
    this.#open = false
    this.#wake?.()
  }

  /**
   * Waits for events.
   *
   * @returns what is there, without events when `idleMs` have passed; null when no more will come.
   */
  async take(idleMs: number): Promise<Batch | null> {
    if (this.#events.length === 0 && this.#open) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, idleMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      this.#wake = null
    }
    const events = this.#events
    if (events.length === 0 && !this.#open) return null
    this.#events = []
    return { events, position: this.position }
  }
}
