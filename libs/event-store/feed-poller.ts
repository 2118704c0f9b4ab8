import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import { Fence, type FenceStatus, type Mark } from './fence.js'

export interface PollerOptions {
  /** One connection of it is the poller's. */
  readonly reads: Pool
  readonly onError?: (error: unknown) => void
  /** How long one old transaction may hold up the fence before locks are looked at, in milliseconds. */
  readonly stalledMs?: number
  /** The longest pause between two looks, in milliseconds: longer where nobody asks for the lag. */
  readonly restMs?: number
  /** The shortest pause between two looks, in milliseconds: longer where nobody is in a hurry. */
  readonly breathMs?: number
}

/** Whoever takes what the poller has found to be certain. */
export interface PollerTarget {
  /** Whether anybody waits for events: otherwise the poller takes its time. */
  readonly isWatched: boolean
  /**
   * Done before the next look.
   *
   * @param past the mark that has to be passed first, as far as is known yet: `upTo` is certain only if
   *   something is found behind it.
   * @returns how many events were read.
   */
  onCertified(session: PoolClient, upTo: number, past?: Mark): Promise<number>
}

const POLL_MS_MIN = 2
const REST_MS = 50
/** What transactions that were under way at a look take to end: a flush, and what waits before it. */
const SETTLE_MS = 3
/**
 * The poller breathes so many times as long as it has worked: a look and a page cost as much as dozens of
 * events, writers pay for that where they share the processor, and a page that is read later is larger.
 */
const BREATH_FACTOR = 4
const BREATH_MS_MAX = 8
const RECONNECT_MS = 500

/** Somebody who waits until what is committed now can be read. */
interface Waiter {
  /** The newest position at the first look since it began to wait. */
  drawn: number | null
  readonly resolve: () => void
}

/**
 * Looks at the fence every few milliseconds while the log grows, and ever less often while it rests. A
 * hint shortens the wait and nothing else: correctness rests on the polling.
 */
export class FeedPoller {
  readonly #waiters = new Set<Waiter>()
  #status: FenceStatus = { certified: 0, drawn: 0, lagMs: 0, blockingPid: null }
  #lookedAt = performance.now()
  #closed = false
  #running: Promise<void> | null = null
  #wake: (() => void) | null = null
  #woken = false

  constructor(
    private readonly options: PollerOptions,
    private readonly target: PollerTarget,
  ) {}

  start(): void {
    this.#running ??= this.#run()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.wake()
    for (const waiter of this.#waiters) waiter.resolve()
    await this.#running
  }

  wake(): void {
    this.#woken = true
    this.#wake?.()
  }

  /** How long the oldest position has waited to be certain, in ms, and the backend in the way after 1 s. */
  get lag(): { readonly feedLagMs: number; readonly blockingPid: number | null } {
    const unseen = performance.now() - this.#lookedAt
    const away = unseen > 1_000 ? Math.round(unseen) : 0
    return { feedLagMs: this.#status.lagMs + away, blockingPid: this.#status.blockingPid }
  }

  /** Waits until what is committed now is certain, for `timeoutMs` at most; says whether it is. */
  async caughtUp(timeoutMs: number): Promise<boolean> {
    if (this.#closed) return false
    let timer: NodeJS.Timeout | undefined
    let waiter: Waiter | undefined
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, timeoutMs, false)
    })
    const passed = new Promise<boolean>((resolve) => {
      waiter = { drawn: null, resolve: () => resolve(!this.#closed) }
      this.#waiters.add(waiter)
    })
    this.wake()
    try {
      return await Promise.race([passed, late])
    } finally {
      clearTimeout(timer)
      if (waiter) this.#waiters.delete(waiter)
    }
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      try {
        await this.#poll()
      } catch (error) {
        if (this.#closed) return
        this.options.onError?.(error)
        await this.#pause(RECONNECT_MS)
      }
    }
  }

  /** On one session: what the fence knows does not outlive it. */
  async #poll(): Promise<void> {
    const session = await this.options.reads.connect()
    // A connection that breaks while it is held says so as an event too; unheard, it ends the process.
    session.on('error', ignore)
    let broken = true
    const { restMs = REST_MS, breathMs: least = POLL_MS_MIN } = this.options
    try {
      const fence = new Fence(session, this.options.stalledMs)
      let pauseMs = POLL_MS_MIN
      let passed = 0
      while (!this.#closed) {
        const begun = performance.now()
        const moved = await this.#look(fence)
        const settledMs = await this.#take(session, fence, passed)
        const workedMs = performance.now() - begun - settledMs
        const { certified } = this.#status
        const idle = !this.target.isWatched || (!moved && certified === passed)
        passed = certified
        this.#settle(certified)
        const isAwaited = !idle || this.#waiters.size > 0
        pauseMs = isAwaited ? POLL_MS_MIN : Math.min(pauseMs * 2, restMs)
        // However many hints come, there is time to breathe between two looks.
        const breathMs = Math.max(least, Math.min(workedMs * BREATH_FACTOR, BREATH_MS_MAX))
        await sleep(breathMs)
        if (await this.#pause(pauseMs - breathMs)) pauseMs = POLL_MS_MIN
      }
      broken = false
    } finally {
      for (const waiter of this.#waiters) waiter.drawn = null
      session.off('error', ignore)
      session.release(broken)
    }
  }

  /** @returns whether a position has been drawn since the last look. */
  async #look(fence: Fence): Promise<boolean> {
    const waiting = [...this.#waiters].filter(({ drawn }) => drawn === null)
    const before = this.#status.drawn
    this.#status = await fence.advance()
    this.#lookedAt = performance.now()
    for (const waiter of waiting) waiter.drawn = this.#status.drawn
    return this.#status.drawn !== before
  }

  /** What has become certain; else what will have been in a moment. @returns how long that was waited for. */
  async #take(session: PoolClient, fence: Fence, passed: number): Promise<number> {
    const { certified } = this.#status
    const mark = this.target.isWatched ? fence.next : null
    const begun = performance.now()
    if (mark) await sleep(SETTLE_MS)
    const settledMs = performance.now() - begun
    const events = mark ? await this.target.onCertified(session, mark.drawn, mark) : 0
    if (mark && events > 0) {
      fence.pass(mark)
      this.#status = fence.status()
    } else if (certified > passed) {
      await this.target.onCertified(session, certified)
    }
    return settledMs
  }

  #settle(certified: number): void {
    for (const { drawn, resolve } of this.#waiters) {
      if (drawn !== null && drawn <= certified) resolve()
    }
  }

  /** @returns true when it was woken, now or since the last pause. */
  async #pause(ms: number): Promise<boolean> {
    if (!this.#woken && !this.#closed && ms > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      this.#wake = null
    }
    const woken = this.#woken
    this.#woken = false
    return woken
  }
}

/** The query that was under way reports the same. */
function ignore(): void {}
