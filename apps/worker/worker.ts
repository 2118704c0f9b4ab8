import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import 'reflect-metadata'
import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { CommandBus, EventBus } from '@nestjs/cqrs'
import type { Pool } from 'pg'
import { CheckpointFile } from '#adapters/checkpoint-file.js'
import type { Config } from '#adapters/config.js'
import { openProviders } from '#adapters/providers.js'
import type { Stop } from '#adapters/service.js'
import { openSigningKey } from '#adapters/signing-key.js'
import type { ParkTimes } from '#adapters/turn-queue.js'
import { type WakeJob, WakeQueue, WakeWorker } from '#adapters/wake-queue.js'
import { CommandsModule } from '#commands/commands.module.js'
import { EventsCommitted } from '#commands/events-committed.js'
import type { Door } from '#commands/metadata.js'
import { CheckpointMaker } from '#event-store/checkpoints.js'
import { FEED_HINT_MS, FEED_HINTS } from '#event-store/feed.js'
import { WRITER_CONNECTIONS, WRITER_SETTINGS, Writer } from '#event-store/writer.js'
import { checkDatabase, type Durability } from '#postgres/boot-checks.js'
import { createDatabase, createPool } from '#postgres/database.js'
import { GrowthHint, HintListener, Hints } from '#postgres/hint.js'
import { assertSchema } from '#postgres/migrator.js'
import { readServerKey } from '#postgres/server-key.js'
import { Session } from '#postgres/session.js'
import { ToolSchemas } from '#read-models/tool-schemas.js'
import { AgentRunner } from '#turns/agent-runner.js'
import { TurnExpiry } from '#turns/expiry.js'
import { Liveness } from '#turns/liveness.js'
import { renewLease } from '#turns/mailbox.js'
import { ModelBreakers } from '#turns/model-breakers.js'
import type { TakeUp } from '#turns/ports.js'
import { RunningTurns } from '#turns/running-turns.js'
import { forgetOldDeltas, StreamedTurns } from '#turns/streamed-turns.js'
import { CANCEL_HINTS, TurnHints } from '#turns/turn-hints.js'
import { TURN_HINTS } from '#turns/turn-waiters.js'
import { WorkerPresence } from '#turns/worker-presence.js'
import { openProducers } from './producers.js'
import { openTriggers } from './triggers.js'

const READS_MAX = 8
/** The one tenant there is until tenancy comes. */
const TENANT = 'default'
/** A worker that drains gives its turns so long to end the step they are at. */
const DRAIN_MS = 25_000
/** Turns that are cut off get so long to give their agents back; what is left is found by others. */
const CLOSE_MS = 1_000
/** Agents of a dead worker that one living takes up at the least, if there are so many: they cost less together. */
const SHARE_MIN = 16
/** A look for dead workers that takes longer is given up, and the connection with it. */
const LOOK_MS_MAX = 2_000

export interface RunningWorker {
  readonly workerId: string
  readonly durability: Durability
  /** Ends now, or (`drain`) after the steps that are under way. The rest is resumed elsewhere. */
  close(how?: Stop): Promise<void>
}

export interface WorkerOptions {
  readonly log: (message: string, error?: unknown) => void
  /** After each commit of a turn, by name: where tests kill the process. */
  readonly onCommit?: (point: string) => void
  /** Other limits of a model's answer than the usual ones. */
  readonly modelTimeoutsMs?: Parameters<typeof openProviders>[1]
  /** How long jobs of other services sleep before they look for their turn's end. */
  readonly park?: ParkTimes
  /** Turns that may follow from one another by triggers. */
  readonly triggerDepthMax?: number
}

@Module({})
class WorkerModule {}

/**
 * A worker process: takes wakes from the queue and runs the turns of the agents they name.
 *
 * @param databaseUrl may differ from the configuration's: the supervisor embeds one.
 */
export async function openWorker(
  config: Config,
  databaseUrl: string,
  options: WorkerOptions,
): Promise<RunningWorker> {
  const onError = (error: unknown): void => options.log('worker', error)
  const workerId = `worker-${randomUUID()}`
  const reads = createPool(databaseUrl, { max: READS_MAX, onError })
  const writes = createPool(databaseUrl, {
    max: WRITER_CONNECTIONS,
    settings: WRITER_SETTINGS,
    onError,
  })
  const claims = createPool(databaseUrl, { max: 4, settings: { lock_timeout: 200 }, onError })
  await assertSchema(reads)
  const durability = await checkDatabase(reads, config)
  const db = createDatabase(reads)
  const app = await NestFactory.createApplicationContext(
    { module: WorkerModule, imports: [CommandsModule.over({ writes, reads })] },
    { logger: ['error', 'warn'] },
  )
  const commands = app.get(CommandBus)
  const providers = await openProviders(config, options.modelTimeoutsMs)
  const { redisUrl, queuePrefix } = config
  const connection = { redisUrl, queuePrefix, databaseUrl }
  const doorbell = new WakeQueue(connection, onError)
  const producers = await openProducers({
    connection,
    tenantId: TENANT,
    execute: (command) => commands.execute(command),
    doorbell,
    reads,
    db,
    onError,
    park: options.park,
  })
  const turnHints = new TurnHints(reads)
  const runHints = new Hints(reads, TURN_HINTS)
  const streamed = new StreamedTurns(reads, (runId) => runHints.send(runId))
  await forgetOldDeltas(reads)
  const feedHint = new GrowthHint(reads, FEED_HINTS, FEED_HINT_MS)
  app.get(EventBus).subscribe((event) => {
    if (!(event instanceof EventsCommitted)) return
    feedHint.send()
    producers.wake()
    turnHints.of(event.events)
    streamed.committed(event.events)
  })
  const draining = new AbortController()
  const stopping = new AbortController()
  // Every turn listens to them.
  setMaxListeners(0, draining.signal, stopping.signal)
  const turns = new RunningTurns({
    execute: (command) => commands.execute(command),
    model: providers.model,
    search: providers.search,
    breakers: new ModelBreakers(reads),
    streamed,
    reads,
    streams: app.get(Writer).streams,
    tools: new ToolSchemas(reads),
    db,
    key: await readServerKey(db, 'context'),
    workerId,
    draining: draining.signal,
    ...(options.onCommit ? { onCommit: options.onCommit } : {}),
  })
  const runner = new AgentRunner(claims, turns, doorbell, workerId)
  const onWake = ({ tenant_id, agent_id }: WakeJob): Promise<void> =>
    // A wake that was taken just before the end is somebody else's.
    draining.signal.aborted
      ? doorbell.ring(tenant_id, agent_id)
      : runner.wake(tenant_id, agent_id, stopping.signal)
  const wakes = new WakeWorker({ connection, places: config.turns, onWake, doorbell, onError })
  const takeUp: TakeUp = (mailboxes) => {
    const share = Math.ceil(mailboxes.length / liveness.living)
    return wakes.takeUp(mailboxes, Math.max(share, SHARE_MIN))
  }
  const hints = new HintListener(databaseUrl, {
    [CANCEL_HINTS]: (runIds) => {
      for (const runId of runIds) turns.interrupt(runId)
    },
    [FEED_HINTS]: () => producers.wake(),
  })
  await hints.open()
  const lock = createPool(databaseUrl, { max: 1, queryTimeoutMs: LOOK_MS_MAX, onError })
  const liveness: Liveness = new Liveness({
    connect: (onLost) => Session.open(lock, onLost),
    workerId,
    declare: (lockKey) => renewLease(claims, workerId, lockKey),
    takeUp,
    onError,
  })
  const workers = (): number => liveness.living
  const execute: Door = (command) => commands.execute(command)
  const expiry = new TurnExpiry({ db: reads, execute, workerId, workers, onError })
  const triggers = openTriggers({
    tenantId: TENANT,
    feed: producers.feed,
    execute,
    doorbell,
    reads,
    db,
    workers,
    onError,
    depthMax: options.triggerDepthMax,
  })
  const presence = new WorkerPresence(claims, takeUp, workerId, runner, liveness, onError)
  await presence.start()
  expiry.start()
  wakes.start()
  const checkpoints = startCheckpoints(config, reads, onError)
  const close = async (how: Stop): Promise<void> => {
    draining.abort()
    if (how === 'drain') await wakes.stop(DRAIN_MS)
    stopping.abort(new Error('the worker stops'))
    const ended = [wakes.stop(CLOSE_MS), triggers.close(CLOSE_MS), producers.close(CLOSE_MS)]
    await Promise.all(ended)
    wakes.close()
    await Promise.all([hints.close(), expiry.stop()])
    await presence.stop().catch(onError)
    await checkpoints?.close()
    await doorbell.close()
    await app.close()
    await providers.close()
    await db.destroy()
    await Promise.all([writes.end(), claims.end(), lock.end()])
  }
  let closing: Promise<void> | null = null
  return {
    workerId,
    durability,
    close(how = 'now') {
      closing ??= close(how)
      return closing
    },
  }
}

/** Turns run without them: a data directory that cannot be written to is told, and nothing more. */
function startCheckpoints(
  { dataDir }: Config,
  pool: Pool,
  onError: (error: unknown) => void,
): CheckpointMaker | null {
  try {
    const signer = openSigningKey(dataDir)
    const sink = new CheckpointFile(dataDir)
    const maker = new CheckpointMaker({ pool, tenantIds: [TENANT], signer, sink, onError })
    maker.start()
    return maker
  } catch (error) {
    onError(error)
    return null
  }
}
