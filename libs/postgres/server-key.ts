import type { Database } from './database.js'

/** A key of this database's own: what is hashed with it cannot be guessed from outside. */
export async function readServerKey(db: Database, name: string): Promise<Buffer> {
  const { key } = await db
    .selectFrom('server_keys')
    .select('key')
    .where('name', '=', name)
    .executeTakeFirstOrThrow()
  return key
}
