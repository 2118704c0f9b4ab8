import type { Pool } from 'pg'
import { exportLog } from '#event-store/export.js'
import { type Imported, type ImportOptions, importLog } from '#event-store/import.js'
import { settledPosition } from '#event-store/settled.js'
import { type Verification, verifyLog } from '#event-store/verify.js'
import { WRITER_CONNECTIONS, WRITER_SETTINGS, Writer } from '#event-store/writer.js'
import { createPool } from '#postgres/database.js'
import { project } from '#read-models/projection.js'
import { checkReadModels } from '#read-models/rebuild.js'
import { createTestDatabase } from './database.js'
import { tenantId } from './log.js'

/** A database that exports are imported into. */
export interface ImportTarget {
  readonly url: string
  readonly pool: Pool
  import(lines: readonly string[], options?: Partial<ImportOptions>): Promise<Imported>
  /** The import ends in the middle, as if its process had been killed after so many of its events. */
  importUntil(events: number, lines: readonly string[], batchEvents: number): Promise<void>
  verify(): Promise<Verification>
  differences(): Promise<number>
  close(): Promise<void>
}

/** @param template a database to begin with a copy of; default: an empty one. */
export async function openImportTarget(template?: string): Promise<ImportTarget> {
  const database = await createTestDatabase(template)
  const pool = createPool(database.url, { max: 4 })
  const load = (lines: () => Iterable<string>, options: Partial<ImportOptions>) =>
    importLog(pool, lines, { tenantId, project, keys: null, ...options })
  return {
    url: database.url,
    pool,
    import: (lines, options = {}) => load(() => lines, options),
    async importUntil(events, lines, batchEvents) {
      let reading = 0
      const cut = new Error('killed')
      const source = function* (): Generator<string> {
        reading += 1
        if (reading === 1) return yield* lines
        yield* lines.slice(0, 1 + events)
        throw cut
      }
      await load(source, { batchEvents }).catch((error) => {
        if (error !== cut) throw error
      })
    },
    verify: () => verifyLog(pool, { tenantId, keys: new Map(), outside: [] }),
    differences: async () => (await checkReadModels(pool, tenantId)).differences,
    async close() {
      await pool.end()
      await database.drop()
    },
  }
}

export async function exportedLines(
  pool: Pool,
  options: { after?: number; streamId?: string } = {},
): Promise<string[]> {
  const client = await pool.connect()
  const upTo = await settledPosition(client)
  let text = ''
  for await (const piece of exportLog(client, { tenantId, upTo, ...options })) text += piece
  client.release()
  return text.trimEnd().split('\n')
}

const READ_MODELS = [
  'blocks',
  'agents',
  'attachments',
  'schedules',
  'turns',
  'steps',
  'messages',
] as const

/** Everything an import is to bring along, but for positions. */
export async function contents(pool: Pool): Promise<Record<string, string[]>> {
  const queries = new Map<string, string>([
    ...READ_MODELS.map(
      (table) => [table, `select t::text as row from ${table} t order by 1`] as const,
    ),
    ['streams', 'select s::text as row from streams s order by 1'],
    [
      'events',
      `select row(tenant_id, stream_id, version, type, schema, actor::text, command_id, correlation::text, base_version, recorded_at,
              payload::text, salt, payload_hash, prev_hash, hash)::text as row
         from events order by position`,
    ],
    [
      'mailboxes',
      'select row(agent_id, next_seq, pending, not_before)::text as row from mailboxes order by 1',
    ],
  ])
  const entries = [...queries].map(async ([name, text]) => {
    const { rows } = await pool.query<{ row: string }>(text)
    return [name, rows.map(({ row }) => row)] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}

export async function eventCount(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>('select count(*)::int from events')
  return rows[0]?.count as number
}

/** Events that stand before one of a lower version of their stream, or behind a gap. */
export async function inversions(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `select count(*)::int from (
        select version, lag(version) over (partition by stream_id order by position) as before
          from events) e
      where version <> coalesce(before, 0) + 1`,
  )
  return rows[0]?.count as number
}

/** Work on an import target, which is gone afterwards. */
export async function into<T>(work: (target: ImportTarget) => Promise<T>): Promise<T> {
  const target = await openImportTarget()
  try {
    return await work(target)
  } finally {
    await target.close()
  }
}

/** Changes the statements of connections that are taken from the pool, on their way to the server. */
export function mutateStatements(pool: Pool, change: (text: string) => string): void {
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown
    Object.assign(client, {
      query: (config: { text?: string }, ...rest: unknown[]) => {
        const text = config.text && change(config.text)
        return query(text === config.text ? config : { ...config, text }, ...rest)
      },
    })
  })
}

/** As a service on that database has one. */
export function writerOn(url: string): { writer: Writer; close(): Promise<void> } {
  const writes = createPool(url, { max: WRITER_CONNECTIONS, settings: WRITER_SETTINGS })
  const reads = createPool(url, { max: 2 })
  const writer = new Writer({ writes, reads, project })
  return {
    writer,
    async close() {
      await writer.close()
      await Promise.all([writes.end(), reads.end()])
    },
  }
}
