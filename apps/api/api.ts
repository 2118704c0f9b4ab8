import 'reflect-metadata'
import type { AddressInfo } from 'node:net'
import { type DynamicModule, Module } from '@nestjs/common'
import type { Config } from '#adapters/config.js'
import { openProviders, type Providers } from '#adapters/providers.js'
import { WakeQueue } from '#adapters/wake-queue.js'
import { CommandsModule } from '#commands/commands.module.js'
import { ensureBuiltinTools } from '#commands/tools-table.js'
import { WRITER_SETTINGS } from '#event-store/writer.js'
import { createDatabase, createPool } from '#postgres/database.js'
import { HintListener } from '#postgres/hint.js'
import { assertSchema } from '#postgres/migrator.js'
import { BUILTIN_TOOLS } from '#turns/builtin-tools.js'
import { TURN_HINTS, TurnWaiters } from '#turns/turn-waiters.js'
import { CONTROLLERS } from './controllers.js'
import { createServer } from './http/server.js'
import { TENANT } from './tenant.js'
import { CONFIG, DATABASE, DOORBELL, POOL, PROVIDERS, TURN_WAITERS } from './tokens.js'

const READS_MAX = 20
/** Requests get so long to be answered before their connections are cut. */
const DRAIN_MS = 1_500

export interface RunningApi {
  readonly url: string
  readonly port: number
  close(): Promise<void>
}

export interface ApiOptions {
  readonly log: (message: string, error?: unknown) => void
  /** Milliseconds a client may take to send its request. */
  readonly requestTimeoutMs?: number
}

@Module({})
class ApiModule {
  static with(values: Map<symbol, unknown>, commands: DynamicModule): DynamicModule {
    const providers = [...values].map(([provide, useValue]) => ({ provide, useValue }))
    return { module: ApiModule, imports: [commands], controllers: CONTROLLERS, providers }
  }
}

/** An api process: the wire, over the writer and the read models. It runs no turns. */
export async function openApi(
  config: Config,
  databaseUrl: string,
  options: ApiOptions,
): Promise<RunningApi> {
  const onError = (error: unknown): void => options.log('api', error)
  const reads = createPool(databaseUrl, { max: READS_MAX, onError })
  const writes = createPool(databaseUrl, { max: 2, settings: WRITER_SETTINGS, onError })
  await assertSchema(reads)
  const db = createDatabase(reads)
  await ensureBuiltinTools(db, TENANT, BUILTIN_TOOLS)
  const providers: Providers = await openProviders(config)
  const doorbell = new WakeQueue({ redisUrl: config.redisUrl, databaseUrl }, onError)
  const waiters = new TurnWaiters(db, TENANT)
  const listener = new HintListener(databaseUrl, TURN_HINTS, (ids) => waiters.hint(ids))
  await listener.open()
  const values = new Map<symbol, unknown>([
    [CONFIG, config],
    [DATABASE, db],
    [POOL, reads],
    [PROVIDERS, providers],
    [DOORBELL, doorbell],
    [TURN_WAITERS, waiters],
  ])
  const app = await createServer(ApiModule.with(values, CommandsModule.over({ writes, reads })), {
    apiKey: config.apiKey,
    simulated: simulatedHeader(providers),
    ...(options.requestTimeoutMs ? { requestTimeoutMs: options.requestTimeoutMs } : {}),
  })
  await app.listen(config.port, config.host)
  const server = app.getHttpServer()
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${config.host}:${port}`,
    port,
    async close() {
      const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS)
      await app.close()
      clearTimeout(cut)
      waiters.close()
      await listener.close()
      await doorbell.close().catch(onError)
      await providers.close()
      await db.destroy()
      await writes.end()
    },
  }
}

function simulatedHeader({ simulated }: Providers): string {
  return Object.entries(simulated)
    .filter(([, on]) => on)
    .map(([what]) => what)
    .join(',')
}
