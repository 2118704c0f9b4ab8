import type { Pool } from 'pg'
import { WRITER_CONNECTIONS, WRITER_SETTINGS } from '#event-store/writer.js'
import { checkDatabase, type Durability } from '#postgres/boot-checks.js'
import { createDatabase, createPool, type Database } from '#postgres/database.js'
import { assertSchema } from '#postgres/migrator.js'
import type { Config } from './config.js'

/** The database of an api or a worker, found fit to be worked with. */
export interface ServiceDatabase {
  readonly reads: Pool
  /** Of the writer alone. */
  readonly writes: Pool
  /** Typed statements, over `reads`. */
  readonly db: Database
  readonly durability: Durability
  close(): Promise<void>
}

/**
 * @param url may differ from the configuration's: the supervisor embeds one.
 * @param readsMax connections for reads at most
 * @throws MigrationError, BootRefusal
 */
export async function openServiceDatabase(
  config: Config,
  url: string,
  readsMax: number,
  onError: (error: unknown) => void,
): Promise<ServiceDatabase> {
  const reads = createPool(url, { max: readsMax, onError })
  await assertSchema(reads)
  const durability = await checkDatabase(reads, config)
  const writes = await openWrites(url, onError)
  const db = createDatabase(reads)
  return {
    reads,
    writes,
    db,
    durability,
    async close() {
      await db.destroy()
      await writes.end()
    },
  }
}

/** With all its connections made: a second group of units that comes now and then would wait for one. */
async function openWrites(url: string, onError: (error: unknown) => void): Promise<Pool> {
  const max = WRITER_CONNECTIONS
  const writes = createPool(url, { max, settings: WRITER_SETTINGS, keepsOpen: true, onError })
  const made = await Promise.all(Array.from({ length: max }, () => writes.connect()))
  for (const client of made) client.release()
  return writes
}
