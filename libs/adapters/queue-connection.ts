import { propagation } from '@opentelemetry/api'
import {
  createPostgresBackend,
  type Job,
  Queue,
  Worker,
  type WorkerOptions,
  withBackend,
} from 'bullmq'
import { BullMQOtel } from 'bullmq-otel'
import { Redis } from 'ioredis'
import { APPLICATION_ROLE } from '#postgres/database.js'

/** Where jobs are kept: Redis when its URL is given, otherwise BullMQ's own tables in the database. */
export interface QueueConnection {
  readonly redisUrl: string | null
  /** Of all keys in Redis; in Postgres each database has queues of its own. */
  readonly queuePrefix: string
  readonly databaseUrl: string
}

/** The schema of BullMQ's tables. */
export const SCHEMA = 'bullmq'

/** After a connection was lost a worker asks for jobs again so much later; BullMQ would wait 15 s. */
const RECONNECTED_MS = 500

const OnPostgres = withBackend(createPostgresBackend)

/**
 * BullMQ opens pools of its own: only their options reach them. They do not wait for the disk: what a crash of the server
 * takes back of what we did to a queue is done again, since the log alone says what is to be done.
 */
function postgres({ databaseUrl }: QueueConnection, max: number) {
  return {
    connectionString: databaseUrl,
    schema: SCHEMA,
    max,
    keepAlive: true,
    options: `-c role=${APPLICATION_ROLE} -c synchronous_commit=off`,
  }
}

/**
 * Where whoever started this process has loaded an OpenTelemetry SDK, adding and processing jobs are spans, and each
 * job carries the trace it was added in. Without one, nothing is carried.
 */
function traced(): { telemetry?: BullMQOtel } {
  const isOn = propagation.fields().length > 0
  return isOn ? { telemetry: new BullMQOtel({ tracerName: 'palimpsest' }) } : {}
}

/** @param retries per request; null waits for ever, as a worker must. */
export function openRedis(
  url: string,
  retries: number | null,
  onError: (error: unknown) => void,
): Redis {
  const redis = new Redis(url, { maxRetriesPerRequest: retries })
  redis.on('error', onError)
  return redis
}

/**
 * A queue to add to and to look into.
 *
 * @param redis shared with others, where jobs are kept there: it is not closed with the queue.
 * @param connections of the pool that BullMQ opens otherwise.
 */
export function openQueue<T>(
  name: string,
  connection: QueueConnection,
  redis: Redis | null,
  connections: number,
  onError: (error: unknown) => void,
): Queue<T> {
  const queue = redis
    ? new Queue<T>(name, { ...traced(), connection: redis, prefix: connection.queuePrefix })
    : (new OnPostgres.Queue(name, {
        ...traced(),
        connection: postgres(connection, connections),
      }) as unknown as Queue<T>)
  queue.on('error', onError)
  return queue
}

/** Where a worker takes its jobs from. */
export interface WorkerPlace {
  readonly connection: QueueConnection
  /** Its own, which waits for ever, where jobs are kept there: it is not closed with the worker. */
  readonly redis: Redis | null
  /** Of the pool that BullMQ opens otherwise. */
  readonly connections: number
  readonly onError: (error: unknown) => void
}

/** Takes the jobs of a queue, and asks for them again soon after a connection was lost. */
export function openWorker<T, R>(
  name: string,
  { connection, redis, connections, onError }: WorkerPlace,
  process: (job: Job<T, R>, token?: string) => Promise<R>,
  options: Omit<WorkerOptions, 'connection' | 'prefix' | 'runRetryDelay' | 'telemetry'>,
): Worker<T, R> {
  const all = { ...options, ...traced(), runRetryDelay: RECONNECTED_MS }
  const worker = redis
    ? new Worker<T, R>(name, process, { ...all, connection: redis, prefix: connection.queuePrefix })
    : (new OnPostgres.Worker(name, process as never, {
        ...all,
        connection: postgres(connection, connections),
      }) as unknown as Worker<T, R>)
  worker.on('error', onError)
  return worker
}

/**
 * Ends the sleep of a job that is parked; of one that is not, it changes nothing.
 * BullMQ's own `promote` on Postgres looks and changes in two steps: between them the job may have been taken,
 * and then it is put back into the line while it runs (libs/adapters/queue-connection.spec.ts).
 *
 * @throws when the job is missing (code -1) or not parked (-3)
 */
export async function endSleep(job: Pick<Job, 'changeDelay'>): Promise<void> {
  await job.changeDelay(0)
}

/** Waits for a queue a while: never longer, whatever it does meanwhile. */
export async function waitAtMost(asked: Promise<unknown>, ms: number): Promise<'late' | 'done'> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, ms, 'late')
  })
  try {
    return await Promise.race([asked.then(() => 'done' as const), late])
  } finally {
    clearTimeout(timer)
  }
}
