import { existsSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import type { Pool } from 'pg'
import { type Config, ConfigError, readConfig } from '#adapters/config.js'
import { openDataDirectory, readSecret } from '#adapters/data-directory.js'
import { startEmbeddedPostgres } from '#adapters/embedded-postgres.js'
import { ownerOf } from '#adapters/owner-lock.js'
import { PALIMPSEST, runningPostmaster } from '#adapters/postmaster.js'
import { createPool } from '#postgres/database.js'
import { assertSchema, MigrationError } from '#postgres/migrator.js'
import { CliFailure, EXIT } from './command-line.js'

/** The database a command works on. */
export interface CommandDatabase {
  readonly pool: Pool
  readonly config: Config
  close(): Promise<void>
}

const CONNECTIONS = 4
/** Everything a command reads is read in windows; the slowest statement looks through the whole log. */
const QUERY_TIMEOUT_MS = 3_600_000
const STARTING_MS = 10_000
const POLL_MS = 50

/**
 * The database of DATABASE_URL, else the embedded one: of a service that runs, or started for the time
 * of the command. Works as the application's role.
 *
 * @throws CliFailure
 */
export async function openCommandDatabase(env: NodeJS.ProcessEnv): Promise<CommandDatabase> {
  const config = readCommandConfig(env)
  const { url, stop } = config.databaseUrl
    ? { url: config.databaseUrl, stop: async () => {} }
    : await embedded(config.dataDir)
  const pool = createPool(url, { max: CONNECTIONS, queryTimeoutMs: QUERY_TIMEOUT_MS })
  const close = async (): Promise<void> => {
    await pool.end()
    await stop()
  }
  // Ctrl-C must not leave a server behind that nobody asked for.
  process.once('SIGINT', () => void stop().finally(() => process.exit(EXIT.interrupted)))
  try {
    await assertSchema(pool)
    return { pool, config, close }
  } catch (error) {
    await close()
    throw reached(error)
  }
}

/** Commands serve nobody: what only a server needs is not asked for. @throws CliFailure usage */
export function readCommandConfig(env: NodeJS.ProcessEnv): Config {
  try {
    return readConfig({ PALIMPSEST_API_KEY: 'not needed by a command', ...env })
  } catch (error) {
    if (error instanceof ConfigError) throw new CliFailure('usage', error.message)
    throw error
  }
}

async function embedded(dataDir: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const directory = existsSync(dataDir) ? openDataDirectory(dataDir) : null
  if (!directory || !existsSync(directory.cluster)) {
    const why = `There is no database: DATABASE_URL is not set, and ${dataDir} holds none.`
    throw new CliFailure('notFound', why, 'npm start   (or set DATABASE_URL)')
  }
  const owner = ownerOf(directory.path)
  if (!owner) {
    const server = await startEmbeddedPostgres({ dataDir })
    return { url: server.url, stop: () => server.stop() }
  }
  const deadline = performance.now() + STARTING_MS
  for (;;) {
    const server = runningPostmaster(directory.cluster)
    if (server?.status === 'ready') {
      const login = `${PALIMPSEST}:${readSecret(directory)}`
      const url = `postgresql://${login}@127.0.0.1:${server.port}/${PALIMPSEST}`
      return { url, stop: async () => {} }
    }
    if (performance.now() > deadline) {
      const why = `Process ${owner.pid} has the data in ${directory.path}, but its database is not ready.`
      throw new CliFailure('unreachable', why)
    }
    await wait(POLL_MS)
  }
}

function reached(error: unknown): unknown {
  if (error instanceof MigrationError) {
    return new CliFailure(
      'failed',
      error.message,
      error.reason === 'older_schema' ? 'npm run migrate' : null,
    )
  }
  const { code, message } = error as NodeJS.ErrnoException
  if (typeof code !== 'string' && !/timeout|terminated/i.test(message)) return error
  return new CliFailure('unreachable', `The database does not answer: ${message || code}`)
}
