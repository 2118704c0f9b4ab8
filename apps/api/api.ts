import 'reflect-metadata'
import type { AddressInfo } from 'node:net'
import { type DynamicModule, Module } from '@nestjs/common'
import { EventBus } from '@nestjs/cqrs'
import type { FastifyInstance } from 'fastify'
import { CallbackClient } from '#adapters/callback-client.js'
import { type Config, isLoopback } from '#adapters/config.js'
import { openProviders, type Providers } from '#adapters/providers.js'
import { QueueBoard } from '#adapters/queue-board.js'
import { WakeQueue } from '#adapters/wake-queue.js'
import { CommandsModule } from '#commands/commands.module.js'
import { EventsCommitted } from '#commands/events-committed.js'
import { ensureBuiltinTools } from '#commands/tools-table.js'
import { FEED_HINT_MS, FEED_HINTS, Feed } from '#event-store/feed.js'
import { WRITER_CONNECTIONS, WRITER_SETTINGS } from '#event-store/writer.js'
import { checkDatabase, type Durability } from '#postgres/boot-checks.js'
import { createDatabase, createPool } from '#postgres/database.js'
import { GrowthHint, HintListener } from '#postgres/hint.js'
import { assertSchema } from '#postgres/migrator.js'
import { BUILTIN_TOOLS } from '#turns/builtin-tools.js'
import { RunLogs } from '#turns/run-logs.js'
import { TurnHints } from '#turns/turn-hints.js'
import { TURN_HINTS, TurnWaiters } from '#turns/turn-waiters.js'
import { CallbackTargets } from './callback-targets.js'
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
  const reads = createPool(databaseUrl, { max: READS_MAX, onError })
  const writes = createPool(databaseUrl, {
    max: WRITER_CONNECTIONS,
    settings: WRITER_SETTINGS,
    onError,
  })
  await assertSchema(reads)
  const durability = await checkDatabase(reads, config)
  const db = createDatabase(reads)
  await ensureBuiltinTools(db, TENANT, BUILTIN_TOOLS)
  const providers: Providers = await openProviders(config)
  const { redisUrl, queuePrefix } = config
  const connection = { redisUrl, queuePrefix, databaseUrl }
  const doorbell = new WakeQueue(connection, onError)
  const waiters = new TurnWaiters(db, TENANT)
  const runLogs = new RunLogs(reads, TENANT)
  const feed = new Feed({ reads, onError })
  const callbackClient = new CallbackClient(isLoopback(config.host))
  const hints = new HintListener(databaseUrl, {
    [TURN_HINTS]: (ids) => {
      waiters.hint(ids)
      runLogs.hint(ids)
    },
    [FEED_HINTS]: () => feed.wake(),
  })
  await hints.open()
  feed.start()
  const values = new Map<symbol, unknown>([
    [CONFIG, config],
    [DATABASE, db],
    [POOL, reads],
    [DURABILITY, durability],
    [PROVIDERS, providers],
    [DOORBELL, doorbell],
    [TURN_WAITERS, waiters],
    [FEED, feed],
    [EVENT_STREAMS, { ...EVENT_STREAM_LIMITS, ...options.eventStreams }],
    [RUN_LOGS, runLogs],
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
  const turnHints = new TurnHints(reads)
  const feedHint = new GrowthHint(reads, FEED_HINTS, FEED_HINT_MS)
  app.get(EventBus).subscribe((event) => {
    if (!(event instanceof EventsCommitted)) return
    feed.wake()
    feedHint.send()
    turnHints.of(event.events)
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
      waiters.close()
      runLogs.close()
      await callbacks.close()
      await Promise.all([hints.close(), feed.close()])
      await board.close()
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
