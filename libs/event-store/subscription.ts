import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientBase, Pool, PoolClient } from 'pg'
import { classify } from './fault.js'
import type { Feed } from './feed.js'
import { type FeedEvent, type FeedFilter, readWindow } from './feed-event.js'
import {
  passWaiting,
  type QuarantinedStream,
  quarantinedStreams,
  release,
  setAside,
} from './quarantine.js'
import {
  claim,
  hold,
  type Lease,
  LostLease,
  moveCheckpoint,
  passCheckpoint,
  renew,
  resign,
  type SubscriptionKey,
} from './subscription-lease.js'

/**
 * What is done with an event. `handle` may see an event again after a crash and tells it by its
 * position; `apply` writes in the transaction that moves the checkpoint, so its effect happens once.
 * An error that lies with the database or the network is tried again for ever; any other is the
 * event's own fault, and its stream is set aside.
 */
export type Consumer =
  | { handle(event: FeedEvent, signal: AbortSignal): Promise<void> }
  | { apply(event: FeedEvent, transaction: ClientBase): Promise<void> }

export interface SubscriptionOptions extends SubscriptionKey {
  readonly feed: Feed
  readonly pool: Pool
  readonly filter?: FeedFilter
  readonly consumer: Consumer
  readonly onError?: (error: unknown) => void
  /** How long after its death an owner keeps others out, in milliseconds by the database's clock. */
  readonly leaseMs?: number
  /** How often others try to become the owner, and the owner looks for streams to try again. */
  readonly everyMs?: number
}

const LEASE_MS = 10_000
const EVERY_MS = 1_000
const ATTEMPTS_MAX = 3
const RETRY_MS_MIN = 20
const RETRY_MS_MAX = 2_000
/** Events of a stream set aside that are read at a time. */
const WAITING = 200

/**
 * What a handled event moves on, in its transaction where there is one. False: it had been handled
 * already, by an attempt whose commit was not heard of.
 */
type Progress = (db: Pool | ClientBase) => Promise<boolean>

interface Waiter {
  readonly position: number
  readonly resolve: () => void
}

/**
 * A durable reader of the feed: of all processes that run it one is the owner and handles every event
 * in order, at least once, from the checkpoint on. An event that cannot be handled stops its stream,
 * not the others.
 */
export class Subscription {
  readonly #id = `owner-${randomUUID()}`
  readonly #waiters = new Set<Waiter>()
  readonly #aside = new Set<string>()
  #checkpoint = 0

  constructor(private readonly options: SubscriptionOptions) {}

  /** Until the signal is aborted; the checkpoint then stands where the handling stopped. */
  async run(signal: AbortSignal): Promise<void> {
    const { pool, leaseMs = LEASE_MS, everyMs = EVERY_MS } = this.options
    while (!signal.aborted) {
      try {
        const lease = await claim(pool, this.options, this.#id, leaseMs)
        if (lease) await this.#own(lease, signal)
      } catch (error) {
        if (!signal.aborted && !(error instanceof LostLease)) this.options.onError?.(error)
      }
      await pause(everyMs, signal)
    }
  }

  /** Waits until this process, as the owner, has handled everything up to a position. */
  reached(position: number): Promise<void> {
    if (this.#checkpoint >= position) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.add({ position, resolve }))
  }

  async #own(lease: Lease, outer: AbortSignal): Promise<void> {
    const { feed, pool, tenantId, filter = {}, leaseMs = LEASE_MS } = this.options
    const lost = new AbortController()
    const signal = AbortSignal.any([outer, lost.signal])
    const renewal = setInterval(() => {
      renew(pool, lease, leaseMs).catch((error) => {
        if (error instanceof LostLease) lost.abort(error)
      })
    }, leaseMs / 3)
    try {
      this.#reach(lease.checkpoint)
      this.#aside.clear()
      for (const { streamId } of await this.#setAside()) this.#aside.add(streamId)
      const idleMs = this.options.everyMs ?? EVERY_MS
      let checkpoint = lease.checkpoint
      let lookedAt = performance.now()
      for await (const batch of feed.follow({
        tenantId,
        after: checkpoint,
        filter,
        signal,
        idleMs,
      })) {
        checkpoint = await this.#handleAll(lease, batch.events, checkpoint, batch.position, signal)
        if (performance.now() - lookedAt < idleMs) continue
        await this.#tryAgain(lease, checkpoint, signal)
        lookedAt = performance.now()
      }
    } finally {
      clearInterval(renewal)
      await resign(pool, lease).catch(() => {})
    }
  }

  /** @returns the new checkpoint. */
  async #handleAll(
    lease: Lease,
    events: readonly FeedEvent[],
    checkpoint: number,
    position: number,
    signal: AbortSignal,
  ): Promise<number> {
    let reached = checkpoint
    for (const event of events) {
      const waits = this.#aside.has(event.streamId)
      const progress: Progress = (db) => moveCheckpoint(db, lease, event.position)
      if (!waits) await this.#handle(lease, event, progress, signal)
      if (signal.aborted) break
      reached = event.position
    }
    if (!signal.aborted) reached = position
    if (reached > checkpoint) await passCheckpoint(this.options.pool, lease, reached)
    this.#reach(reached)
    return reached
  }

  /** Tries a few times; then the stream is set aside from this event on. */
  async #handle(
    lease: Lease,
    event: FeedEvent,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<boolean> {
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await this.#once(event, progress, signal)
        return true
      } catch (error) {
        if (error instanceof LostLease) throw error
        if (signal.aborted) return false
        this.options.onError?.(error)
        const fault = classify(error)
        const isItsOwn = fault === 'bug' || fault === 'duplicate'
        if (isItsOwn && attempt >= ATTEMPTS_MAX) {
          await setAside(this.options.pool, lease, event, error)
          this.#aside.add(event.streamId)
          return false
        }
        await pause(Math.min(RETRY_MS_MIN * 2 ** attempt, RETRY_MS_MAX), signal)
      }
    }
    return false
  }

  async #once(event: FeedEvent, progress: Progress, signal: AbortSignal): Promise<void> {
    const { consumer, pool } = this.options
    if ('handle' in consumer) return consumer.handle(event, signal)
    await inTransaction(pool, async (transaction) => {
      if (await progress(transaction)) await consumer.apply(event, transaction)
    })
  }

  #setAside(): Promise<QuarantinedStream[]> {
    const { pool, tenantId, name } = this.options
    return quarantinedStreams(pool, tenantId, name)
  }

  /** What somebody wants tried again: all of the stream that has waited, in order. */
  async #tryAgain(lease: Lease, checkpoint: number, signal: AbortSignal): Promise<void> {
    if (this.#aside.size === 0) return
    for (const stream of await this.#setAside()) {
      if (!stream.retry || !(await this.#catchUp(lease, stream, checkpoint, signal))) continue
      await release(this.options.pool, lease, stream.streamId)
      this.#aside.delete(stream.streamId)
    }
  }

  /** @returns false when it had to be set aside again. */
  async #catchUp(
    lease: Lease,
    { streamId, position }: QuarantinedStream,
    checkpoint: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { pool, tenantId, filter = {}, consumer } = this.options
    const only = { ...filter, streamId }
    for (let after = position - 1; ; ) {
      const waiting = await readWindow(pool, tenantId, only, after, checkpoint, WAITING)
      for (const event of waiting) {
        const progress: Progress = async (db) => {
          await hold(db, lease)
          return passWaiting(db, lease, event)
        }
        if (!(await this.#handle(lease, event, progress, signal))) return false
        if ('handle' in consumer) await progress(pool)
        after = event.position
      }
      if (waiting.length < WAITING) return true
    }
  }

  #reach(position: number): void {
    this.#checkpoint = Math.max(this.#checkpoint, position)
    for (const waiter of this.#waiters) {
      if (waiter.position > this.#checkpoint) continue
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
  }
}

async function inTransaction(
  pool: Pool,
  work: (client: PoolClient) => Promise<void>,
): Promise<void> {
  const client = await pool.connect()
  client.on('error', ignore)
  let broken = true
  try {
    await client.query('begin')
    await work(client)
    await client.query('commit')
    broken = false
  } catch (error) {
    broken = await client.query('rollback').then(
      () => false,
      () => true,
    )
    throw error
  } finally {
    client.off('error', ignore)
    client.release(broken)
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {})
}

/** The query that was under way reports the same. */
function ignore(): void {}
