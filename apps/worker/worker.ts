import { randomUUID } from 'node:crypto'
import 'reflect-metadata'
import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { CommandBus, EventBus } from '@nestjs/cqrs'
import type { Config } from '#adapters/config.js'
import { openProviders } from '#adapters/providers.js'
import { startWakeWorker, WakeQueue } from '#adapters/wake-queue.js'
import { CommandsModule } from '#commands/commands.module.js'
import { EventsCommitted } from '#commands/events-committed.js'
import { WRITER_SETTINGS } from '#event-store/writer.js'
import { createDatabase, createPool } from '#postgres/database.js'
import { Hints } from '#postgres/hint.js'
import { assertSchema } from '#postgres/migrator.js'
import { readServerKey } from '#postgres/server-key.js'
import { AgentRunner } from '#turns/agent-runner.js'
import { TurnLoop } from '#turns/turn-loop.js'
import { TURN_HINTS } from '#turns/turn-waiters.js'
import { WorkerPresence } from '#turns/worker-presence.js'

const READS_MAX = 10
/** Turns get so long to finish what they are at before the process ends; the rest is resumed elsewhere. */
const CLOSE_MS = 1_000

export interface RunningWorker {
  readonly workerId: string
  close(): Promise<void>
}

export interface WorkerOptions {
  readonly log: (message: string, error?: unknown) => void
  /** After each commit of a turn, by name: where tests kill the process. */
  readonly onCommit?: (point: string) => void
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
  const writes = createPool(databaseUrl, { max: 2, settings: WRITER_SETTINGS, onError })
  const claims = createPool(databaseUrl, { max: 4, settings: { lock_timeout: 200 }, onError })
  await assertSchema(reads)
  const db = createDatabase(reads)
  const app = await NestFactory.createApplicationContext(
    { module: WorkerModule, imports: [CommandsModule.over({ writes, reads })] },
    { logger: ['error', 'warn'] },
  )
  const commands = app.get(CommandBus)
  const providers = await openProviders(config)
  const connection = { redisUrl: config.redisUrl, databaseUrl }
  const doorbell = new WakeQueue(connection, onError)
  const hints = new Hints(reads, TURN_HINTS)
  app.get(EventBus).subscribe((event) => {
    if (event instanceof EventsCommitted) hintEnds(event, hints)
  })
  const stopping = new AbortController()
  const loop = new TurnLoop({
    execute: (command) => commands.execute(command),
    model: providers.model,
    search: providers.search,
    reads,
    db,
    key: await readServerKey(db, 'context'),
    workerId,
    ...(options.onCommit ? { onCommit: options.onCommit } : {}),
  })
  const runner = new AgentRunner(claims, loop, doorbell, workerId)
  const presence = new WorkerPresence(claims, doorbell, workerId, onError)
  await presence.start()
  const wakes = startWakeWorker(
    connection,
    config.turns,
    ({ tenant_id, agent_id }) => runner.wake(tenant_id, agent_id, stopping.signal),
    onError,
  )
  return {
    workerId,
    async close() {
      stopping.abort(new Error('the worker stops'))
      await wakes.close(CLOSE_MS)
      await presence.stop().catch(onError)
      await doorbell.close().catch(onError)
      await app.close()
      await providers.close()
      await db.destroy()
      await Promise.all([writes.end(), claims.end()])
    },
  }
}

function hintEnds({ events }: EventsCommitted, hints: Hints): void {
  for (const event of events) {
    if (/^Turn(Completed|Failed|DeadLettered)$/.test(event.type)) hints.send(event.streamId)
  }
}
