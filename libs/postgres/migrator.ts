import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  Kysely,
  type Migration,
  type MigrationProvider,
  Migrator,
  PostgresDialect,
  sql,
} from 'kysely'
import pg from 'pg'
import { APPLICATION_ROLE } from './database.js'

export class MigrationError extends Error {
  constructor(
    readonly reason: 'newer_schema' | 'older_schema' | 'failed',
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options)
    this.name = 'MigrationError'
  }
}

/**
 * Brings a database to this version's schema: numbered SQL files, forward only, each in one
 * transaction under a lock, so that of two racing migrators one applies and the other waits.
 *
 * @param ownerUrl a login that may create tables and roles.
 * @throws MigrationError `newer_schema` when the database was migrated by a newer version.
 */
export async function migrate(
  ownerUrl: string,
  options: { onProgress?: (name: string) => void } = {},
): Promise<{ applied: string[] }> {
  const pool = new pg.Pool({ connectionString: ownerUrl, max: 2, connectionTimeoutMillis: 10_000 })
  pool.on('error', () => {})
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) })
  try {
    const known = await readMigrations()
    await refuseNewer(db, Object.keys(known))
    const provider: MigrationProvider = { getMigrations: async () => known }
    const { error, results } = await new Migrator({ db, provider }).migrateToLatest()
    const applied = (results ?? [])
      .filter((r) => r.status === 'Success')
      .map((r) => r.migrationName)
    for (const name of applied) options.onProgress?.(name)
    if (error) throw new MigrationError('failed', describe(error), { cause: error })
    await sql`grant select on kysely_migration to ${sql.id(APPLICATION_ROLE)}`.execute(db)
    return { applied }
  } finally {
    await db.destroy()
  }
}

async function readMigrations(): Promise<Record<string, Migration>> {
  const folder = migrationsFolder()
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql')).sort()
  const migrations = files.map(async (file): Promise<[string, Migration]> => {
    const text = await readFile(join(folder, file), 'utf8')
    return [
      file.replace(/\.sql$/, ''),
      { up: async (db) => void (await sql.raw(text).execute(db)) },
    ]
  })
  return Object.fromEntries(await Promise.all(migrations))
}

/**
 * For services: they work against exactly the schema they know, or not at all.
 *
 * @throws MigrationError `newer_schema`, or `older_schema` when the migrate step has not run.
 */
export async function assertSchema(pool: pg.Pool): Promise<void> {
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) })
  const known = Object.keys(await readMigrations())
  const applied = await refuseNewer(db, known)
  const missing = known.filter((name) => !applied.includes(name))
  if (missing.length === 0) return
  throw new MigrationError(
    'older_schema',
    `The database lacks ${missing.join(', ')}: run npm run migrate with a login that may create tables.`,
  )
}

/** A migration this version has never heard of was made by a newer one: it must not be worked against. */
async function refuseNewer(db: Kysely<unknown>, known: readonly string[]): Promise<string[]> {
  const exists = await sql<{ found: boolean }>`
    select to_regclass('kysely_migration') is not null as found`.execute(db)
  if (!exists.rows[0]?.found) return []
  const { rows } = await sql<{
    name: string
  }>`select name from kysely_migration order by name`.execute(db)
  const applied = rows.map((row) => row.name)
  const newer = applied.filter((name) => !known.includes(name))
  if (newer.length === 0) return applied
  throw new MigrationError(
    'newer_schema',
    `The database has migrations this version does not know: ${newer.join(', ')}. It was last used by a newer Palimpsest.`,
  )
}

function migrationsFolder(): string {
  for (let at = dirname(fileURLToPath(import.meta.url)); at !== dirname(at); at = dirname(at)) {
    if (existsSync(join(at, 'package.json'))) return join(at, 'migrations')
  }
  throw new Error('package.json not found above this file')
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
