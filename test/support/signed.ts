import pg from 'pg'

/**
 * Until the worker has signed everything there is: from then on, and until somebody writes, nothing
 * that is told about the log changes by itself.
 */
export async function untilSigned(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    for (let all = false; !all; ) {
      const { rows } = await client.query<{ all: boolean }>(
        `select (select count(*) from events) = coalesce((select max(size) from audit_checkpoints), 0) as all`,
      )
      all = rows[0]?.all ?? false
    }
  } finally {
    await client.end()
  }
}
