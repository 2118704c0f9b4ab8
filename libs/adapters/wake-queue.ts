import { type JobsOptions, type Queue, runMigrations, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import pg from 'pg'
import { APPLICATION_ROLE } from '#postgres/database.js'
import type { Doorbell, UnattendedMailbox } from '#turns/ports.js'
import {
  openQueue,
  openRedis,
  openWorker,
  type QueueConnection,
  SCHEMA,
  waitAtMost,
} from './queue-connection.js'

export const WAKE_QUEUE = 'palimpsest-wake'
/** The schema's version is part of a job's name. */
export const WAKE_JOB = 'wake.v1'

export interface WakeJob {
  readonly tenant_id: string
  readonly agent_id: string
}

const POOL_MAX = 4

/** A queue that does not answer must not hold up whoever rings: the sweeper rings again. */
const RING_MS_MAX = 1_000

/** A doorbell is a hint: done or failed, its job goes, and it is never tried again as a job. */
const ONCE: JobsOptions = { removeOnComplete: true, removeOnFail: true, attempts: 1 }

/** Makes BullMQ's tables, as the owner; the application's role gets what its functions need. */
export async function prepareQueue(ownerUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: ownerUrl })
  await client.connect()
  try {
    await runMigrations(client as unknown as Parameters<typeof runMigrations>[0], SCHEMA)
    await client.query(`
      grant usage, create on schema ${SCHEMA} to ${APPLICATION_ROLE};
      grant select, insert, update, delete on all tables in schema ${SCHEMA} to ${APPLICATION_ROLE};
      grant usage, select, update on all sequences in schema ${SCHEMA} to ${APPLICATION_ROLE};
      grant execute on all functions in schema ${SCHEMA} to ${APPLICATION_ROLE};`)
  } finally {
    await client.end()
  }
}

/** The doorbell of the api and of workers. */
export class WakeQueue implements Doorbell {
  readonly #queue: Queue<WakeJob>
  readonly #redis: Redis | null

  constructor(
    connection: QueueConnection,
    private readonly onError: (error: unknown) => void,
  ) {
    this.#redis = connection.redisUrl ? openRedis(connection.redisUrl, 1, onError) : null
    this.#queue = openQueue<WakeJob>(WAKE_QUEUE, connection, this.#redis, POOL_MAX, onError)
  }

  /** While the agent is being worked on, any number of rings come to one further wake. */
  async ring(tenantId: string, agentId: string): Promise<void> {
    await this.#add(tenantId, agentId, { deduplication: { id: agentId, keepLastIfActive: true } })
  }

  /** All together: one by one a dead worker's last agents would wait for its first. */
  async ringAgain(mailboxes: readonly UnattendedMailbox[]): Promise<void> {
    const jobs = mailboxes.map(({ tenantId, agentId, epoch, second }) => ({
      name: WAKE_JOB,
      data: { tenant_id: tenantId, agent_id: agentId },
      opts: { ...ONCE, jobId: `wake-${agentId}-${epoch}-${second}` },
    }))
    await this.#bounded(this.#queue.addBulk(jobs))
    const freed = mailboxes.map(({ agentId }) => this.#queue.removeDeduplicationKey(agentId))
    await this.#bounded(Promise.all(freed))
  }

  async close(): Promise<void> {
    await this.#bounded(this.#queue.close())
    this.#redis?.disconnect()
  }

  async #add(tenant_id: string, agent_id: string, options: JobsOptions): Promise<void> {
    await this.#bounded(this.#queue.add(WAKE_JOB, { tenant_id, agent_id }, { ...ONCE, ...options }))
  }

  /** Waits for the queue a while; never throws. */
  async #bounded(asked: Promise<unknown>): Promise<void> {
    await waitAtMost(asked.catch(this.onError), RING_MS_MAX)
  }
}

export interface WakeWorker {
  /** Takes no more jobs from now on; waits for the running ones at most `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>
  /** After `stop`. */
  close(): void
}

/** A stalled wake runs again, however often: the claim makes that harmless. */
const STALLED_MAX = 1000
/**
 * BullMQ takes jobs one by one until it has as many as it may, and only then starts the first. So it may have one
 * more than are running: else a full queue delays each wake until all places are taken, and the first worker that
 * hears of a dead one's agents takes them all.
 */
const TAKEN_AHEAD_MAX = 1

/** Takes wakes, up to `concurrency` at once. */
export function startWakeWorker(
  connection: QueueConnection,
  concurrency: number,
  onWake: (job: WakeJob) => Promise<void>,
  onError: (error: unknown) => void,
): WakeWorker {
  const redis = connection.redisUrl ? openRedis(connection.redisUrl, null, onError) : null
  let running = 0
  const places = (): number => Math.min(concurrency, running + TAKEN_AHEAD_MAX)
  const count = (change: number): void => {
    running += change
    worker.concurrency = places()
  }
  const process = async (job: { data: WakeJob }): Promise<void> => {
    count(1)
    await onWake(job.data).finally(() => count(-1))
  }
  const options = {
    concurrency: places(),
    maxStalledCount: STALLED_MAX,
  }
  const place = { connection, redis, connections: POOL_MAX, onError }
  const worker: Worker<WakeJob, void> = openWorker(WAKE_QUEUE, place, process, options)
  worker.on('failed', (_job, error) => onError(error))
  return {
    async stop(deadlineMs) {
      await waitAtMost(worker.close().catch(onError), deadlineMs)
    },
    close: () => redis?.disconnect(),
  }
}
