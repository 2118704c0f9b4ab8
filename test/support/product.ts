import { type Config, readConfig } from '#adapters/config.js'
import { openApi, type RunningApi } from '../../apps/api/api.js'
import { openWorker, type RunningWorker } from '../../apps/worker/worker.js'
import { createTestDatabase, type TestDatabase } from './database.js'

/** The whole product in this process: one api, any number of workers, on a database of its own. */
export interface Product {
  readonly url: string
  readonly port: number
  readonly databaseUrl: string
  readonly config: Config
  /** What the processes logged: a passing test looks whether there is anything it did not expect. */
  readonly logged: string[]
  startWorker(): Promise<RunningWorker>
  close(): Promise<void>
}

export interface ProductOptions {
  /** Further variables of the environment, e.g. OPENAI_BASE_URL. */
  readonly env?: Readonly<Record<string, string>>
  readonly workers?: number
  /** The queue on Redis instead of Postgres. */
  readonly redisUrl?: string | undefined
  readonly requestTimeoutMs?: number
}

/** Starts api and workers as their processes do, with the stand-ins unless `env` names providers. */
export async function startProduct(options: ProductOptions = {}): Promise<Product> {
  const database: TestDatabase = await createTestDatabase()
  const logged: string[] = []
  const log = (message: string, error?: unknown): void => {
    logged.push(
      `${message} ${error instanceof Error ? (error.stack ?? error.message) : String(error ?? '')}`,
    )
  }
  const providers = options.env?.OPENAI_BASE_URL ? {} : { PALIMPSEST_SIMULATED: 'always' }
  const config = readConfig({
    DATABASE_URL: database.url,
    PORT: '0',
    ...(options.redisUrl ? { REDIS_URL: options.redisUrl } : {}),
    ...providers,
    ...options.env,
  })
  const { requestTimeoutMs } = options
  const api: RunningApi = await openApi(config, database.url, {
    log,
    ...(requestTimeoutMs ? { requestTimeoutMs } : {}),
  })
  const workers: RunningWorker[] = []
  const startWorker = async (): Promise<RunningWorker> => {
    const worker = await openWorker(config, database.url, { log })
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
      await database.drop()
    },
  }
}
