import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '#adapters/embedded-postgres.js'
import { runningPostmaster } from '#adapters/postmaster.js'
import { prepareSchema } from '#adapters/schema.js'
import { until } from './feed-load.js'
import type { MortalServer } from './kill-round.js'
import { killPostgres } from './killed-postgres.js'

/** The Postgres of `npm start`, durable, with a directory of its own: one that may be killed. */
export interface EmbeddedServer extends MortalServer {
  close(): Promise<void>
}

export async function openEmbeddedServer(): Promise<EmbeddedServer> {
  const dataDir = mkdtempSync(join(tmpdir(), 'palimpsest-test-'))
  // As root the server runs as another user, who must be able to pass through.
  chmodSync(dataDir, 0o711)
  const server = await startEmbeddedPostgres({ dataDir })
  await prepareSchema(server.url)
  return {
    url: server.url,
    async kill(atOnce) {
      const found = runningPostmaster(join(server.dataDir, 'postgres'))
      if (!found) throw new Error('there is no server to kill')
      await killPostgres(found.pid, atOnce)
      await until(() => !server.alive())
    },
    restart: () => server.restart(),
    async close() {
      await server.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}
