import type { Pool, PoolClient } from 'pg'
import { settledPosition } from '#event-store/settled.js'
import { LogFold, TABLES, type Table } from './log-fold.js'
import { compareRows, compareTable, type RowDifference, replaceRows } from './row-compare.js'

export interface RebuildOptions {
  /** Default: every read model. */
  readonly tables?: readonly Table[]
  readonly onProgress?: (done: { readonly events: number; readonly share: number }) => void
}

export interface Comparison {
  /** Read from the log. */
  readonly events: number
  /** Rows there should be. */
  readonly rows: number
  readonly differences: number
  readonly first: RowDifference | null
}

export interface Rebuilt {
  readonly events: number
  readonly rows: number
  /** Rows that were not what the log gives. */
  readonly mended: number
}

/** The writers of read models wait for the swap, so it must not wait long for them. */
const LOCK_TIMEOUT_MS = 5_000

/**
 * Holds the read models of a tenant against the log, both as they are at one moment, beside writers and
 * without holding them up. Changes nothing.
 */
export async function checkReadModels(
  pool: Pool,
  tenantId: string,
  options: RebuildOptions = {},
): Promise<Comparison> {
  const fold = new LogFold(tenantId)
  return inSnapshot(pool, async (client) => {
    await readBeside(client, fold, tenantId, {}, options)
    let differences = 0
    let first: RowDifference | null = null
    for await (const difference of differ(client, fold, tenantId, options)) {
      differences += 1
      first ??= difference
    }
    return { events: fold.events, rows: rowsOf(fold, options), differences, first }
  })
}

/**
 * Makes the read models of a tenant again from the log alone: afterwards they hold the same rows, byte
 * for byte, that the commits wrote. State of its own (mailboxes, tools, stored results) is left alone.
 *
 * Everything slow happens beside the service. Then the tables are held for a moment, for what was
 * written meanwhile and for the rows that differ; readers never wait.
 */
export async function rebuildReadModels(
  pool: Pool,
  tenantId: string,
  options: RebuildOptions = {},
): Promise<Rebuilt> {
  const fold = new LogFold(tenantId)
  const settled = await withClient(pool, (client) => settledPosition(client))
  const suspects = new Map<Table, Set<string>>(TABLES.map((table) => [table, new Set()]))
  await inSnapshot(pool, async (client) => {
    await readBeside(client, fold, tenantId, { upTo: settled }, options)
    for await (const { table, key } of differ(client, fold, tenantId, options)) {
      suspects.get(table)?.add(key)
    }
  })
  fold.forget()
  const mended = await withClient(pool, (client) =>
    swap(client, fold, tenantId, settled, suspects, options),
  )
  return { events: fold.events, rows: rowsOf(fold, options), mended }
}

/**
 * Under the lock no event that changes these tables is under way, and each stream is visible up to its
 * head: what lies after the settled position can be read without the fence.
 */
async function swap(
  client: PoolClient,
  fold: LogFold,
  tenantId: string,
  settled: number,
  suspects: ReadonlyMap<Table, Set<string>>,
  options: RebuildOptions,
): Promise<number> {
  const tables = options.tables ?? TABLES
  try {
    await client.query('begin')
    await client.query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`)
    await client.query(`lock table ${tables.join(', ')} in exclusive mode`)
    await fold.read(client, { after: settled })
    let mended = 0
    for (const table of tables) {
      const wanted = fold.rows.get(table) as ReadonlyMap<string, object>
      const keys = new Set([
        ...(suspects.get(table) as Set<string>),
        ...(fold.touched.get(table) as Set<string>),
      ])
      const looked = new Map([...keys].flatMap((key) => entry(wanted, key)))
      const wrong = new Set([...keys].filter((key) => !wanted.has(key)))
      for await (const { key } of compareRows(client, tenantId, table, looked)) wrong.add(key)
      await replaceRows(client, tenantId, table, [...wrong], wanted)
      mended += wrong.size
    }
    await client.query('commit')
    return mended
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  }
}

function entry(rows: ReadonlyMap<string, object>, key: string): [string, object][] {
  const row = rows.get(key)
  return row ? [[key, row]] : []
}

async function readBeside(
  client: PoolClient,
  fold: LogFold,
  tenantId: string,
  scan: { readonly upTo?: number },
  { onProgress }: RebuildOptions,
): Promise<void> {
  const { rows } = await client.query<{ last: string | null }>(
    'select max(position) as last from events where tenant_id = $1',
    [tenantId],
  )
  const last = Number(rows[0]?.last ?? 0)
  await fold.read(client, scan, (position) =>
    onProgress?.({ events: fold.events, share: position / last }),
  )
}

async function* differ(
  client: PoolClient,
  fold: LogFold,
  tenantId: string,
  { tables = TABLES }: RebuildOptions,
): AsyncGenerator<RowDifference, void, undefined> {
  for (const table of tables) {
    yield* compareTable(client, tenantId, table, fold.rows.get(table) as Map<string, object>)
  }
}

function rowsOf(fold: LogFold, { tables = TABLES }: RebuildOptions): number {
  return tables.reduce((sum, table) => sum + (fold.rows.get(table)?.size ?? 0), 0)
}

function inSnapshot<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  return withClient(pool, async (client) => {
    await client.query('begin isolation level repeatable read read only')
    try {
      return await work(client)
    } finally {
      await client.query('rollback').catch(() => {})
    }
  })
}

async function withClient<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  try {
    return await work(client)
  } finally {
    client.release()
  }
}
