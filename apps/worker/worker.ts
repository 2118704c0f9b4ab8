import { randomUUID } from 'node:crypto'
import 'reflect-metadata'
import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { CommandBus, EventBus } from '@nestjs/cqrs'
import type { Pool } from 'pg'
import { CheckpointFile } from '#adapters/checkpoint-file.js'
import type { Config } from '#adapters/config.js'
import { openProviders } from '#adapters/providers.js'
import type { Stop } from '#adapters/service.js'
import { openServiceDatabase } from '#adapters/service-database.js'
import { openSigningKey } from '#adapters/signing-key.js'
import type { ParkTimes } from '#adapters/turn-queue.js'
import { WakeQueue } from '#adapters/wake-queue.js'
import { CommandsModule } from '#commands/commands.module.js'
import { EventsCommitted } from '#commands/events-committed.js'
import type { Door } from '#commands/metadata.js'
import { CheckpointMaker } from '#event-store/checkpoints.js'
import { FEED_HINT_MS, FEED_HINTS } from '#event-store/feed.js'
import { Writer } from '#event-store/writer.js'
import type { Durability } from '#postgres/boot-checks.js'
import { createPool } from '#postgres/database.js'
import { GrowthHint, HintListener } from '#postgres/hint.js'
import { TurnExpiry } from '#turns/expiry.js'
import { HANDOVER_HINTS } from '#turns/handover.js'
import { CANCEL_HINTS } from '#turns/turn-hints.js'
import { openAttendance } from './attendance.js'
import { openProducers } from './producers.js'
import { openTriggers } from './triggers.js'
import { openTurns } from './turns.js'

const READS_MAX = 8
/** The one tenant there is until tenancy comes. */
const TENANT = 'default'
/** Turns that are cut off get so long to give their agents back; what is left is found by others. */
const CLOSE_MS = 1_000

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
  const database = await openServiceDatabase(config, databaseUrl, READS_MAX, onError)
  const { reads, writes, db, durability } = database
  const claims = createPool(databaseUrl, { max: 4, settings: { lock_timeout: 200 }, onError })
  const app = await NestFactory.createApplicationContext(
    { module: WorkerModule, imports: [CommandsModule.over({ writes, reads })] },
    { logger: ['error', 'warn'] },
  )
  const commands = app.get(CommandBus)
  const execute: Door = (command) => commands.execute(command)
  const providers = await openProviders(config, options.modelTimeoutsMs)
  const { redisUrl, queuePrefix } = config
  const connection = { redisUrl, queuePrefix, databaseUrl }
  const doorbell = new WakeQueue(connection, onError)
  const { onCommit, park, triggerDepthMax: depthMax } = options
  const shared = { tenantId: TENANT, execute, doorbell, reads, db, onError }
  const producers = await openProducers({ ...shared, connection, park })
  const { streams } = app.get(Writer)
  const turns = await openTurns({ ...shared, workerId, streams, providers, claims, onCommit })
  const feedHint = new GrowthHint(reads, FEED_HINTS, FEED_HINT_MS)
  app.get(EventBus).subscribe((event) => {
    if (!(event instanceof EventsCommitted)) return
    feedHint.send()
    producers.wake()
    turns.committed(event.events)
  })
  const places = config.turns
  const on = { workerId, connection, places, turns, doorbell, claims, onError }
  const attendance = openAttendance(on)
  const hints = new HintListener(databaseUrl, {
    [CANCEL_HINTS]: (runIds) => turns.interrupt(runIds),
    [FEED_HINTS]: () => producers.wake(),
    [HANDOVER_HINTS]: (told) => attendance.handedOver(told),
  })
  await hints.open()
  const { workers } = attendance
  const expiry = new TurnExpiry({ db: reads, execute, workerId, workers, onError })
  const triggers = openTriggers({ ...shared, feed: producers.feed, workers, depthMax })
  await attendance.start()
  expiry.start()
  const checkpoints = startCheckpoints(config, reads, onError)
  const close = async (how: Stop): Promise<void> => {
    turns.drain()
    if (how === 'drain') await attendance.drain()
    turns.stop()
    const taking = [attendance, producers, triggers].map((part) => part.close(CLOSE_MS))
    await Promise.all(taking)
    await Promise.all([hints.close(), expiry.stop()])
    await attendance.end()
    await checkpoints?.close()
    await doorbell.close()
    await app.close()
    await providers.close()
    await Promise.all([database.close(), claims.end()])
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
