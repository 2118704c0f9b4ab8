import pg from 'pg'
import { APPLICATION_ROLE } from './database.js'

/** At most one hint in so many milliseconds from one process and channel, the first at once. */
const THROTTLE_MS = 5
const RECONNECT_MS = 500
/** Ids of one NOTIFY: its payload holds 8,000 bytes. */
const IDS_MAX = 150
/** Its values: a channel and what is said there. */
export const NOTIFY = { name: 'notify', text: 'select pg_notify($1, $2)' }

/**
 * Tells other processes which ids have news, after the commit and off its path: NOTIFY inside a
 * writing transaction would serialise every commit. A lost hint costs a sweep, nothing else.
 */
export class Hints {
  readonly #ids = new Set<string>()
  #timer: NodeJS.Timeout | null = null

  constructor(
    private readonly pool: pg.Pool,
    private readonly channel: string,
  ) {}

  send(id: string): void {
    this.#ids.add(id)
    if (!this.#timer) this.#flush()
  }

  /** Whatever comes within the pause goes out after it. */
  #pause(): void {
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#flush()
    }, THROTTLE_MS)
  }

  #flush(): void {
    const ids = [...this.#ids].slice(0, IDS_MAX)
    if (ids.length === 0) return
    for (const id of ids) this.#ids.delete(id)
    this.#pause()
    this.pool.query({ ...NOTIFY, values: [this.channel, ids.join(' ')] }).catch(() => {})
  }
}

/**
 * Tells other processes that something grows, when it begins to: whoever has seen it grow stays awake for
 * longer than `restMs` and needs no hint to see it go on.
 */
export class GrowthHint {
  #grewAt = Number.NEGATIVE_INFINITY

  constructor(
    private readonly pool: pg.Pool,
    private readonly channel: string,
    private readonly restMs: number,
  ) {}

  send(): void {
    const now = performance.now()
    const wasAtRest = now - this.#grewAt >= this.restMs
    this.#grewAt = now
    if (wasAtRest) this.pool.query({ ...NOTIFY, values: [this.channel, ''] }).catch(() => {})
  }
}

/** What is done with the ids of a hint, by channel. */
export type Hearers = Readonly<Record<string, (ids: string[]) => void>>

/**
 * Hears all hints of a process on one connection of its own, which it opens again whenever it breaks. Every NOTIFY
 * wakes the backend of every listener of the database, whichever channel that one listens to.
 */
export class HintListener {
  #client: pg.Client | null = null
  #closed = false
  #timer: NodeJS.Timeout | null = null

  constructor(
    private readonly url: string,
    private readonly hearers: Hearers,
  ) {}

  async open(): Promise<void> {
    if (this.#closed) return
    const client = new pg.Client({
      connectionString: this.url,
      keepAlive: true,
      options: `-c role=${APPLICATION_ROLE}`,
    })
    this.#client = client
    client.on('error', () => this.#reopen(client))
    client.on('end', () => this.#reopen(client))
    client.on('notification', ({ channel, payload }) => {
      this.hearers[channel]?.(payload ? payload.split(' ') : [])
    })
    try {
      await client.connect()
      const channels = Object.keys(this.hearers).map((name) => client.escapeIdentifier(name))
      await client.query(channels.map((name) => `listen ${name}`).join(';'))
    } catch {
      this.#reopen(client)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#timer) clearTimeout(this.#timer)
    await this.#client?.end().catch(() => {})
  }

  #reopen(broken: pg.Client): void {
    if (this.#client !== broken || this.#closed) return
    this.#client = null
    broken.end().catch(() => {})
    this.#timer = setTimeout(() => void this.open(), RECONNECT_MS)
  }
}
