// A Postgres to measure on: DATABASE_URL if set, else the embedded one on a file system in memory with
// a flush of one millisecond (fsync on, commit_delay 1000 µs): a typical cloud disk, without its noise.
import { chmodSync, existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { availableParallelism, cpus, freemem, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbeddedPostgres } from '../../dist/libs/adapters/embedded-postgres.js'
import { prepareSchema } from '../../dist/libs/adapters/schema.js'

const MEMORY = '/dev/shm'
/** Everything else is Postgres's default. No checkpoint falls into a round, and nothing else is bent. */
const SETTINGS = {
  commit_delay: 1000,
  commit_siblings: 0,
  max_wal_size: '8GB',
  checkpoint_timeout: '30min',
}

/** @param bytesMax what the rooms of this run will need; without so much memory it runs on disk. */
export async function startServer(bytesMax) {
  if (process.env.DATABASE_URL) return new Server(process.env.DATABASE_URL, 'DATABASE_URL')
  const inMemory = existsSync(MEMORY) && roomIn(MEMORY) > bytesMax
  const dataDir = mkdtempSync(join(inMemory ? MEMORY : tmpdir(), 'palimpsest-bench-'))
  chmodSync(dataDir, 0o711)
  const embedded = await startEmbeddedPostgres({ dataDir })
  const profile = inMemory
    ? 'T1 (in memory, fsync on, 1 ms flush)'
    : 'T1 on disk (in memory there is no room)'
  const server = new Server(embedded.url, profile, async () => {
    await embedded.stop()
    rmSync(dataDir, { recursive: true, force: true })
  })
  for (const [name, value] of Object.entries(SETTINGS)) await server.set(name, value)
  return server
}

/** A file system in memory promises more than the machine may have. */
function roomIn(path) {
  const { bavail, bsize } = statfsSync(path)
  return Math.min(bavail * bsize, freemem())
}

class Server {
  #databases = 0

  constructor(url, profile, stop = async () => {}) {
    this.url = url
    this.profile = profile
    this.isOwn = profile !== 'DATABASE_URL'
    this.stop = stop
  }

  /** A new database with the product's tables, so that no room measures what another has left. */
  async database() {
    const name = `bench_${process.pid}_${this.#databases++}`
    await this.#query(`create database ${name}`)
    const url = new URL(this.url)
    url.pathname = `/${name}`
    await prepareSchema(url.href)
    return { url: url.href, drop: () => this.#query(`drop database ${name} with (force)`) }
  }

  /** A setting of the whole server. A server that is not ours is left as it is. */
  async set(name, value) {
    if (!this.isOwn) return
    await this.#query(`alter system set ${name} = '${value}'`)
    await this.#query('select pg_reload_conf()')
  }

  /** What a figure depends on. */
  async machine() {
    const { rows } = await this.#query(
      `select name, current_setting(name) as value from pg_settings
        where name in ('server_version', 'shared_buffers', 'fsync', 'synchronous_commit', 'full_page_writes',
                       'commit_delay', 'commit_siblings', 'max_wal_size', 'checkpoint_timeout',
                       'wal_compression', 'autovacuum', 'jit')`,
    )
    const { server_version: postgres, ...settings } = Object.fromEntries(
      rows.map(({ name, value }) => [name, value]),
    )
    return {
      profile: this.profile,
      cores: availableParallelism(),
      cpu: cpus()[0]?.model ?? 'unknown',
      memoryGb: Math.round(totalmem() / 2 ** 30),
      node: process.version,
      postgres,
      settings,
    }
  }

  async #query(text) {
    const client = new pg.Client({ connectionString: this.url })
    await client.connect()
    try {
      return await client.query(text)
    } finally {
      await client.end()
    }
  }
}
