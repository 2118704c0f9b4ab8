import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import type { Tables } from './tables.js'

export type Database = Kysely<Tables>

/** The role every statement of the service runs as: it owns nothing and cannot change an event. */
export const APPLICATION_ROLE = 'palimpsest_app'

export interface PoolOptions {
  /** Connections at most. */
  readonly max: number
  /** Further `-c name=value` settings of each connection. */
  readonly settings?: Readonly<Record<string, string | number>>
  /** Milliseconds one statement may take, seen from here: a frozen server must not hang the caller. */
  readonly queryTimeoutMs?: number
  /** Connections stay open, and keep their plans: whoever needs one soon does not wait for it to be made. */
  readonly keepsOpen?: boolean
  readonly onError?: (error: Error) => void
}

/**
 * A column of a statement's answer. What the statement has written is seen at once by all, but its commit does not wait
 * for the disk: the next one that waits takes it along. A crash of the server may take it back.
 */
export const UNFLUSHED = `set_config('synchronous_commit', 'off', true)`

const CONNECTION_TIMEOUT_MS = 5_000
const QUERY_TIMEOUT_MS = 10_000

/**
 * A pool that works as the application's role. It has an `error` listener: without one a terminated
 * backend takes the whole process down.
 */
export function createPool(url: string, options: PoolOptions): pg.Pool {
  const settings = { role: APPLICATION_ROLE, ...options.settings }
  const pool = new pg.Pool({
    connectionString: url,
    max: options.max,
    connectionTimeoutMillis: CONNECTION_TIMEOUT_MS,
    query_timeout: options.queryTimeoutMs ?? QUERY_TIMEOUT_MS,
    keepAlive: true,
    ...(options.keepsOpen ? { idleTimeoutMillis: 0 } : {}),
    options: Object.entries(settings)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
  })
  pool.on('error', options.onError ?? (() => {}))
  return pool
}

export function createDatabase(pool: pg.Pool): Database {
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
}
