import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'

export interface LeadershipOptions {
  /** One connection of it is held. */
  readonly pool: Pool
  /** The key of the advisory lock that the leader holds. */
  readonly lock: number
  /** This process leads from now on. */
  onLead(): void
  /** It does not any more, and another one may. */
  onLost(): void
  readonly onError: (error: unknown) => void
  /** How often the others try, in milliseconds. */
  readonly everyMs?: number
}

const EVERY_MS = 1_000

/**
 * Of several processes one leads, as long as its session with the database lasts: what a dead process
 * held is free at once. A hint for who had better work, and no fence: for a moment there may be two.
 */
export class Leadership {
  readonly #closing = new AbortController()
  #running: Promise<void> | null = null

  constructor(private readonly options: LeadershipOptions) {}

  start(): void {
    this.#running ??= this.#run()
  }

  /** Lets another one lead. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        await this.#session()
      } catch (error) {
        if (!this.#closing.signal.aborted) this.options.onError(error)
      }
      await this.#pause()
    }
  }

  async #session(): Promise<void> {
    const client = await this.options.pool.connect()
    const broken = brokenness(client)
    try {
      while (!(await this.#tryLock(client))) {
        await this.#pause()
        if (this.#closing.signal.aborted) return
      }
      this.options.onLead()
      await Promise.race([broken, aborted(this.#closing.signal)])
      this.options.onLost()
    } finally {
      // With its session the lock ends too.
      client.release(true)
    }
  }

  async #tryLock(client: PoolClient): Promise<boolean> {
    const { rows } = await client.query<{ got: boolean }>(
      'select pg_try_advisory_lock($1) as got',
      [this.options.lock],
    )
    return rows[0]?.got === true
  }

  async #pause(): Promise<void> {
    const { signal } = this.#closing
    await sleep(this.options.everyMs ?? EVERY_MS, undefined, { signal }).catch(() => {})
  }
}

/** Resolves once the connection breaks: unheard, that would end the process. */
function brokenness(client: PoolClient): Promise<void> {
  return new Promise((resolve) => {
    client.on('error', () => resolve())
    client.on('end', () => resolve())
  })
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
