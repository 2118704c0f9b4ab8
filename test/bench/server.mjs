// A Postgres to measure on: DATABASE_URL if set, else the embedded one on a file system in memory with
// a flush of one millisecond (fsync on, commit_delay 1000 µs): a typical cloud disk, without its noise.
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbeddedPostgres } from '../../dist/libs/adapters/embedded-postgres.js'
import { prepareSchema } from '../../dist/libs/adapters/schema.js'

export async function startServer() {
  if (process.env.DATABASE_URL) {
    await prepareSchema(process.env.DATABASE_URL)
    return { url: process.env.DATABASE_URL, profile: 'DATABASE_URL', stop: async () => {} }
  }
  const memory = existsSync('/dev/shm')
  const dataDir = mkdtempSync(join(memory ? '/dev/shm' : tmpdir(), 'palimpsest-bench-'))
  chmodSync(dataDir, 0o711)
  const server = await startEmbeddedPostgres({ dataDir })
  const owner = new pg.Client({ connectionString: server.url })
  await owner.connect()
  for (const [name, value] of Object.entries({
    commit_delay: 1000,
    commit_siblings: 0,
    max_wal_size: "'8GB'",
    checkpoint_timeout: "'30min'",
  })) {
    await owner.query(`alter system set ${name} = ${value}`)
  }
  await owner.query('select pg_reload_conf()')
  await owner.end()
  await prepareSchema(server.url)
  return {
    url: server.url,
    profile: memory ? 'T1 (memory, fsync on, 1 ms flush)' : 'T1 on disk',
    async stop() {
      await server.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}
