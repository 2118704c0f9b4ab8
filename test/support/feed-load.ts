import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import type { FeedEvent } from '#event-store/feed-event.js'
import { tenantId } from './log.js'

/** An event as far as readers are compared by it. */
export type Read = Pick<FeedEvent, 'position' | 'streamId' | 'version'>

/** A transaction that writes events by hand, so that a test says when each of its steps happens. */
export class RawWriter {
  private constructor(readonly client: pg.Client) {}

  static async open(url: string): Promise<RawWriter> {
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => {})
    await client.connect()
    return new RawWriter(client)
  }

  async begin(): Promise<void> {
    await this.client.query('begin')
  }

  /** Moves the stream's head, which takes a transaction id and the row's lock. @returns the new version. */
  async lock(streamId: string): Promise<number> {
    const { rows } = await this.client.query<{ version: number }>(
      'update streams set version = version + 1 where tenant_id = $1 and stream_id = $2 returning version',
      [tenantId, streamId],
    )
    return rows[0]?.version as number
  }

  /** Draws a position. @returns it. */
  async append(streamId: string, version: number): Promise<number> {
    const { rows } = await this.client.query<{ position: string }>(
      `insert into events (tenant_id, stream_id, version, type, schema, actor, command_id, recorded_at,
                           payload, payload_hash, prev_hash, hash)
       values ($1, $2, $3, 'TextInserted', 1, '{"kind":"system","id":"raw"}', 'raw', now(), '{}', '', '', '')
       returning position`,
      [tenantId, streamId, version],
    )
    return Number(rows[0]?.position)
  }

  /** One event in a transaction that stays open. @returns its position. */
  async write(streamId: string): Promise<number> {
    return this.append(streamId, await this.lock(streamId))
  }

  async commit(): Promise<void> {
    await this.client.query('commit')
  }

  async rollback(): Promise<void> {
    await this.client.query('rollback')
  }

  async close(): Promise<void> {
    await this.client.end()
  }
}

/** Heads for raw writers, at version 0. */
export async function rawStreams(db: Pick<pg.Pool, 'query'>, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => `block-${randomUUID()}`)
  await db.query(
    `insert into streams (tenant_id, stream_id, kind, version, hash, length)
     select $1, id, 'block', 0, '', 0 from unnest($2::text[]) id`,
    [tenantId, ids],
  )
  return ids.sort()
}

export interface Load {
  readonly writers: number
  /** Of all writers together. */
  readonly transactions: number
  readonly streams: readonly string[]
  /** Ends the session of a random writer or reader so often, as `kill -9` of it would; 0: never. */
  readonly killEveryMs?: number
}

const ROLLBACK_SHARE = 0.1
const PAUSE_MS_MAX = 8

/** Racing transactions over one to three streams, with pauses between statements, a tenth rolled back. */
export async function runLoad(url: string, load: Load): Promise<void> {
  let left = load.transactions
  const over = new AbortController()
  const work = async (): Promise<void> => {
    let writer = await RawWriter.open(url)
    while (left-- > 0) {
      try {
        await transaction(writer, load.streams)
      } catch (error) {
        if (!load.killEveryMs) throw error
        await writer.close().catch(() => {})
        writer = await RawWriter.open(url)
      }
    }
    await writer.close()
  }
  const killer = load.killEveryMs ? killSessions(url, load.killEveryMs, over.signal) : null
  await Promise.all(Array.from({ length: load.writers }, work))
  over.abort()
  await killer
}

/** Among them the one in which the feed's poller looks at the fence. */
async function killSessions(url: string, everyMs: number, over: AbortSignal): Promise<void> {
  const killer = await RawWriter.open(url)
  while (!over.aborted) {
    await pause(everyMs)
    await killer.client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
          and query ~ 'update streams set version|insert into events|fence|events_position|e.position <= [0-9]+ (and pg_snapshot|order by)'
        order by random() limit 1`,
    )
  }
  await killer.close()
}

async function transaction(writer: RawWriter, streams: readonly string[]): Promise<void> {
  const count = 1 + Math.floor(Math.random() * 3)
  const picked = new Set(
    Array.from({ length: count }, () => streams[Math.floor(Math.random() * streams.length)]),
  )
  await writer.begin()
  // In one order everywhere, so that they wait for each other and do not deadlock.
  for (const streamId of [...picked].sort() as string[]) {
    const version = await writer.lock(streamId)
    await hesitate()
    await writer.append(streamId, version)
    await hesitate()
  }
  if (Math.random() < ROLLBACK_SHARE) await writer.rollback()
  else await writer.commit()
}

async function hesitate(): Promise<void> {
  if (Math.random() < 0.5) await pause(Math.random() * PAUSE_MS_MAX)
}

/** What is in the log in the end: what every reader must have seen. */
export async function wholeLog(db: Pick<pg.Pool, 'query'>): Promise<Read[]> {
  const { rows } = await db.query(
    'select position, stream_id, version from events where tenant_id = $1 order by position',
    [tenantId],
  )
  return rows.map((row) => ({
    position: Number(row.position),
    streamId: row.stream_id,
    version: row.version,
  }))
}

/** How a reader's events differ from the log. All 0: each once, in the order of every stream. */
export function faultsOf(
  seen: readonly Read[],
  log: readonly Read[],
): { missed: number; doubled: number; inverted: number } {
  const positions = new Set(seen.map(({ position }) => position))
  const versions = new Map<string, number>()
  let inverted = 0
  for (const { streamId, version } of seen) {
    const last = versions.get(streamId) ?? 0
    if (version < last) inverted += 1
    versions.set(streamId, Math.max(last, version))
  }
  return {
    missed: log.filter(({ position }) => !positions.has(position)).length,
    doubled: seen.length - positions.size,
    inverted,
  }
}

/** Resolves once the condition holds; it is asked again and again. */
export async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition())) await pause(1)
}
