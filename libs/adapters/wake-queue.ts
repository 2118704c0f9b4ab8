import {
  createPostgresBackend,
  type JobsOptions,
  Queue,
  runMigrations,
  Worker,
  withBackend,
} from 'bullmq'
import { Redis } from 'ioredis'
import pg from 'pg'
import { APPLICATION_ROLE } from '#postgres/database.js'
import type { Doorbell, UnattendedMailbox } from '#turns/ports.js'

/** Where jobs are kept: Redis when its URL is given, otherwise BullMQ's own tables in the database. */
export interface QueueConnection {
  readonly redisUrl: string | null
  readonly databaseUrl: string
}

export const WAKE_QUEUE = 'palimpsest-wake'
/** The schema's version is part of a job's name. */
export const WAKE_JOB = 'wake.v1'

export interface WakeJob {
  readonly tenant_id: string
  readonly agent_id: string
}

const SCHEMA = 'bullmq'
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
    this.#queue = this.#redis
      ? new Queue<WakeJob>(WAKE_QUEUE, { connection: this.#redis })
      : (new OnPostgres.Queue(WAKE_QUEUE, {
          connection: postgres(connection),
        }) as unknown as Queue<WakeJob>)
    this.#queue.on('error', onError)
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
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, RING_MS_MAX)
    })
    await Promise.race([asked.then(undefined, this.onError), late])
    clearTimeout(timer)
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
/** BullMQ waits 15 s before it asks again after a connection was lost. */
const RETRY_MS = 500
/**
 * BullMQ takes jobs one by one until it has as many as it may, and only then starts the first. So it may
 * have a few more than are running: else a full queue delays each wake until all places are taken.
 */
const TAKEN_AHEAD_MAX = 4

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
    runRetryDelay: RETRY_MS,
  }
  const worker: Worker<WakeJob> = redis
    ? new Worker<WakeJob>(WAKE_QUEUE, process, { ...options, connection: redis })
    : (new OnPostgres.Worker(WAKE_QUEUE, process as never, {
        ...options,
        connection: postgres(connection),
      }) as unknown as Worker<WakeJob>)
  worker.on('error', onError)
  worker.on('failed', (_job, error) => onError(error))
  return {
    async stop(deadlineMs) {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, deadlineMs)
      })
      await Promise.race([worker.close().catch(onError), late])
      clearTimeout(timer)
    },
    close: () => redis?.disconnect(),
  }
}

const OnPostgres = withBackend(createPostgresBackend)

/** BullMQ opens pools of its own: only their options reach them. */
function postgres({ databaseUrl }: QueueConnection) {
  return {
    connectionString: databaseUrl,
    schema: SCHEMA,
    max: POOL_MAX,
    keepAlive: true,
    options: `-c role=${APPLICATION_ROLE}`,
  }
}

/** @param retries per request; null waits for ever, as a worker must. */
function openRedis(url: string, retries: number | null, onError: (error: unknown) => void): Redis {
  const redis = new Redis(url, { maxRetriesPerRequest: retries })
  redis.on('error', onError)
  return redis
}
