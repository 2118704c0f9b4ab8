import pg from 'pg'

const CONNECT_MS = 10_000

/**
 * Makes a database unless it is there.
 *
 * @param url a superuser's login to another database of the server.
 * @returns the version of the server, such as 18.4.
 */
export function ensureDatabase(url: string, name: string): Promise<string> {
  return connected(url, async (client) => {
    const found = await client.query('select 1 from pg_database where datname = $1', [name])
    if (found.rowCount === 0) await client.query(`create database ${client.escapeIdentifier(name)}`)
    const { rows } = await client.query<{ server_version: string }>('show server_version')
    return rows[0]!.server_version.split(' ')[0]!
  })
}

/** Whether a server keeps what it acknowledged when the machine fails. */
export function isDurable(url: string): Promise<boolean> {
  return connected(url, async (client) => {
    const { rows } = await client.query<{ fsync: string }>('show fsync')
    return rows[0]?.fsync === 'on'
  })
}

async function connected<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MS })
  // Without a listener a server that dies meanwhile takes the process down.
  client.on('error', () => {})
  try {
    await client.connect()
    return await work(client)
  } finally {
    await client.end().catch(() => {})
  }
}
