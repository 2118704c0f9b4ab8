import {
  createPostgresBackend,
  FlowProducer,
  type Job,
  type Processor,
  Queue,
  Worker,
  withBackend,
} from 'bullmq'
import type { BullMQOtel } from 'bullmq-otel'
import { Redis } from 'ioredis'
import type { Config } from '#adapters/config.js'
import { until } from './feed-load.js'

const OnPostgres = withBackend(createPostgresBackend)

/** How a job ended. `failure` is the JSON of its `failedReason`. */
export interface Finished {
  readonly state: string
  // biome-ignore lint/suspicious/noExplicitAny: each test knows what it looks at.
  readonly returned: any
  readonly failure: {
    readonly class: string
    readonly code: string
    readonly message: string
  } | null
}

/** BullMQ as another service uses it, on the queue's backend of a product. */
export class JobQueues {
  readonly #redis: Redis | null
  readonly #open: { close(): Promise<void> }[] = []

  constructor(private readonly config: Pick<Config, 'redisUrl' | 'queuePrefix' | 'databaseUrl'>) {
    this.#redis = config.redisUrl ? new Redis(config.redisUrl) : null
  }

  queue(name: string, telemetry?: BullMQOtel): Queue {
    const traced = telemetry ? { telemetry } : {}
    const queue = this.#redis
      ? new Queue(name, { ...traced, connection: this.#redis, prefix: this.config.queuePrefix })
      : new OnPostgres.Queue(name, { ...traced, connection: this.#postgres() })
    this.#open.push(queue as Queue)
    return queue as Queue
  }

  flows(): FlowProducer {
    const flows = this.#redis
      ? new FlowProducer({ connection: this.#redis, prefix: this.config.queuePrefix })
      : new OnPostgres.FlowProducer({ connection: this.#postgres() })
    this.#open.push(flows as FlowProducer)
    return flows as FlowProducer
  }

  worker(name: string, processor: Processor): void {
    const worker = this.#redis
      ? new Worker(name, processor, {
          connection: this.#redis.duplicate({ maxRetriesPerRequest: null }),
          prefix: this.config.queuePrefix,
        })
      : new OnPostgres.Worker(name, processor as never, { connection: this.#postgres() })
    this.#open.unshift(worker)
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.map((one) => one.close()))
    this.#redis?.disconnect()
  }

  #postgres() {
    const options = '-c role=palimpsest_app'
    return { connectionString: this.config.databaseUrl as string, max: 2, options }
  }
}

/** Waits until a job has completed or failed. */
export async function finished(queue: Queue, id: string): Promise<Finished> {
  let state = ''
  await until(async () => {
    state = await queue.getJobState(id)
    return state === 'completed' || state === 'failed'
  })
  const job = (await queue.getJob(id)) as Job
  const failure = job.failedReason ? JSON.parse(job.failedReason) : null
  return { state, returned: job.returnvalue, failure }
}
