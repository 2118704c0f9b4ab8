import 'reflect-metadata'
import type { AddressInfo } from 'node:net'
import { type DynamicModule, Module } from '@nestjs/common'
import { EventBus } from '@nestjs/cqrs'
import type { FastifyInstance } from 'fastify'
import { CallbackClient } from '#adapters/callback-client.js'
import { type Config, isLoopback } from '#adapters/config.js'
import { openProviders, type Providers } from '#adapters/providers.js'
import { QueueBoard } from '#adapters/queue-board.js'
import { openServiceDatabase } from '#adapters/service-database.js'
import { WakeQueue } from '#adapters/wake-queue.js'
import { CommandsModule } from '#commands/commands.module.js'
import { EventsCommitted } from '#commands/events-committed.js'
import { ensureBuiltinTools } from '#commands/tools-table.js'
import type { Durability } from '#postgres/boot-checks.js'
import { BUILTIN_TOOLS } from '#turns/builtin-tools.js'
import { CallbackTargets } from './callback-targets.js'
import { openCommitHints } from './commit-hints.js'
import { CONTROLLERS } from './controllers.js'
import { EVENT_STREAM_LIMITS, type EventStreamLimits, FeedStreams } from './feed-streams.js'
import { DRIP_LIMITS, type Drip } from './http/dripping-reply.js'
import { createServer } from './http/server.js'
import { QUEUES_PATH, serveQueueBoard } from './queue-board.js'
import { RunCallbacks } from './run-callbacks.js'
import { RUN_STREAM_LIMITS, type RunStreamLimits, RunStreams } from './run-streams.js'
import { TENANT } from './tenant.js'
import {
  CALLBACKS,
  CONFIG,
  DATABASE,
  DOORBELL,
  DRIP,
  DURABILITY,
  EVENT_STREAMS,
  FEED,
  POOL,
  PROVIDERS,
  RUN_LOGS,
  RUN_STREAMS,
  TURN_WAITERS,
} from './tokens.js'

const READS_MAX = 20
/** Requests get so long to be answered before their connections are cut. */
const DRAIN_MS = 1_500

export interface RunningApi {
  readonly url: string
  readonly port: number
  readonly durability: Durability
  close(): Promise<void>
}

export interface ApiOptions {
  readonly log: (message: string, error?: unknown) => void
  /** Milliseconds a client may take to send its request. */
  readonly requestTimeoutMs?: number
  /** Other limits than the usual ones: of the streams of events, of those of runs, of calls that wait. */
  readonly eventStreams?: Partial<EventStreamLimits>
  readonly runStreams?: Partial<RunStreamLimits>
  readonly drip?: Partial<Drip>
}

@Module({})
class ApiModule {
  static with(values: Map<symbol, unknown>, commands: DynamicModule): DynamicModule {
    const given = [...values].map(([provide, useValue]) => ({ provide, useValue }))
    const providers = [...given, FeedStreams, RunStreams, CallbackTargets]
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
  const database = await openServiceDatabase(config, databaseUrl, READS_MAX, onError)
  const { reads, writes, db, durability } = database
  await ensureBuiltinTools(db, TENANT, BUILTIN_TOOLS)
  const providers: Providers = await openProviders(config)
  const { redisUrl, queuePrefix } = config
  const connection = { redisUrl, queuePrefix, databaseUrl }
  const doorbell = new WakeQueue(connection, onError)
  const callbackClient = new CallbackClient(isLoopback(config.host))
  const hints = await openCommitHints(databaseUrl, reads, db, onError)
  const values = new Map<symbol, unknown>([
    [CONFIG, config],
    [DATABASE, db],
    [POOL, reads],
    [DURABILITY, durability],
    [PROVIDERS, providers],
    [DOORBELL, doorbell],
    [TURN_WAITERS, hints.waiters],
    [FEED, hints.feed],
    [EVENT_STREAMS, { ...EVENT_STREAM_LIMITS, ...options.eventStreams }],
    [RUN_LOGS, hints.runLogs],
    [RUN_STREAMS, { ...RUN_STREAM_LIMITS, ...options.runStreams }],
    [DRIP, { ...DRIP_LIMITS, ...options.drip }],
    [CALLBACKS, callbackClient],
  ])
  const app = await createServer(ApiModule.with(values, CommandsModule.over({ writes, reads })), {
    apiKey: config.apiKey,
    simulated: simulatedHeader(providers),
    ...(options.requestTimeoutMs ? { requestTimeoutMs: options.requestTimeoutMs } : {}),
  })
  const board = new QueueBoard(QUEUES_PATH, connection, onError)
  serveQueueBoard(app.getHttpAdapter().getInstance() as unknown as FastifyInstance, board)
  app.get(EventBus).subscribe((event) => {
    if (event instanceof EventsCommitted) hints.committed(event.events)
  })
  const callbacks = new RunCallbacks(reads, db, callbackClient, onError)
  callbacks.start()
  await app.listen(config.port, config.host)
  const server = app.getHttpServer()
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${config.host}:${port}`,
    port,
    durability,
    async close() {
      const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS)
      await app.close()
      clearTimeout(cut)
      await Promise.all([callbacks.close(), hints.close()])
      await board.close()
      await doorbell.close().catch(onError)
      await providers.close()
      await database.close()
    },
  }
}

function simulatedHeader({ simulated }: Providers): string {
  return Object.entries(simulated)
    .filter(([, on]) => on)
    .map(([what]) => what)
    .join(',')
}
