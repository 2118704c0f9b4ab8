import type { Queue } from 'bullmq'
import pg from 'pg'
import { openQueue, type QueueConnection } from '#adapters/queue-connection.js'
import { prepareSchema } from '#adapters/schema.js'
import { createTestDatabase } from './database.js'

/** The queue `jobs` on a database of its own, which nobody takes jobs from. */
export interface PostgresQueue {
  readonly connection: QueueConnection
  readonly queue: Queue<object>
  /** As the owner of the database. */
  readonly sql: pg.Pool
  close(): Promise<void>
}

export async function openPostgresQueue(): Promise<PostgresQueue> {
  const database = await createTestDatabase()
  await prepareSchema(database.url)
  const sql = new pg.Pool({ connectionString: database.url, max: 2 })
  const connection = { redisUrl: null, queuePrefix: 'palimpsest', databaseUrl: database.url }
  const queue = openQueue<object>('jobs', connection, null, 2, (error) => {
    throw error
  })
  return {
    connection,
    queue,
    sql,
    async close() {
      await queue.close()
      await sql.end()
      await database.drop()
    },
  }
}
