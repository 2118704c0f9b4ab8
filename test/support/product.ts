import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Config, readConfig } from '#adapters/config.js'
import { type ApiOptions, openApi, type RunningApi } from '../../apps/api/api.js'
import { openWorker, type RunningWorker, type WorkerOptions } from '../../apps/worker/worker.js'
import { createTestDatabase, type TestDatabase } from './database.js'

/** The whole product in this process: one api, any number of workers, on a database of its own. */
export interface Product {
  readonly url: string
  readonly port: number
  readonly databaseUrl: string
  readonly config: Config
  /** What the processes logged: a passing test looks whether there is anything it did not expect. */
  readonly logged: string[]
  startWorker(options?: Partial<WorkerOptions>): Promise<RunningWorker>
  close(): Promise<void>
}

export interface ProductOptions {
  /** Further variables of the environment, e.g. OPENAI_BASE_URL. */
  readonly env?: Readonly<Record<string, string>>
  readonly workers?: number
  /** The queue on Redis instead of Postgres, in a numbered database of this Jest worker's own. */
  readonly redisUrl?: string | undefined
  /** How every worker is opened. */
  readonly worker?: Partial<WorkerOptions>
  readonly requestTimeoutMs?: number
  /** How the api is opened. */
  readonly api?: Partial<ApiOptions>
  /** Instead of one of its own on the server of the test run. */
  readonly database?: TestDatabase
}

/** Starts api and workers as their processes do, with the stand-ins unless `env` names providers. */
export async function startProduct(options: ProductOptions = {}): Promise<Product> {
  const database: TestDatabase = options.database ?? (await createTestDatabase())
  const dataDir = mkdtempSync(join(tmpdir(), 'palimpsest-product-'))
  const logged: string[] = []
  let closed = false
  const log = (message: string, error?: unknown): void => {
    if (!closed)
      logged.push(
        `${message} ${error instanceof Error ? (error.stack ?? error.message) : String(error ?? '')}`,
      )
  }
  const providers = options.env?.OPENAI_BASE_URL ? {} : { PALIMPSEST_SIMULATED: 'always' }
  const config = readConfig({
    DATABASE_URL: database.url,
    PORT: '0',
    // Test clusters flush nothing: nobody wants their data back.
    PALIMPSEST_ALLOW_UNSAFE_DURABILITY: '1',
    PALIMPSEST_DATA_DIR: dataDir,
    ...(options.redisUrl ? { REDIS_URL: ownRedis(options.redisUrl) } : {}),
    ...providers,
    ...options.env,
  })
  const { requestTimeoutMs } = options
  const api: RunningApi = await openApi(config, database.url, {
    log,
    ...options.api,
    ...(requestTimeoutMs ? { requestTimeoutMs } : {}),
  })
  const workers: RunningWorker[] = []
  const startWorker: Product['startWorker'] = async (further) => {
    const worker = await openWorker(config, database.url, { log, ...options.worker, ...further })
    workers.push(worker)
    return worker
  }
  for (let i = 0; i < (options.workers ?? 1); i++) await startWorker()
  return {
    url: api.url,
    port: api.port,
    databaseUrl: database.url,
    config,
    logged,
    startWorker,
    async close() {
      await api.close()
      for (const worker of workers) await worker.close()
      // Sessions on their way out are ended by the drop, which is no fault of the product.
      closed = true
      await database.drop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** Specs run side by side on one Redis: without it the workers of one would take the wakes of another. */
export function ownRedis(redisUrl: string): string {
  const url = new URL(redisUrl)
  url.pathname = `/${Number(process.env.JEST_WORKER_ID ?? 0) % 16}`
  return url.href
}
