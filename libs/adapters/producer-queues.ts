import { Job, type Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { TURN_JOB, TURNS_QUEUE } from '#producer/turn-job.js'
import type { JobProgress, ProducerJobs } from '#turns/ports.js'
import {
  endSleep,
  openQueue,
  openRedis,
  type QueueConnection,
  waitAtMost,
} from './queue-connection.js'

/** Connections of one queue on Postgres. */
const POOL_MAX = 2
/** Queues that are answered to and kept open. */
const OPEN_MAX = 16
/** A queue that does not answer must not hold up what is only a hint. */
const HINT_MS_MAX = 1_000
const SEND_MS_MAX = 10_000
const NOTES_MAX = 1_000

/** The queue is away: the same may work later. */
class QueueAway extends Error {
  /** As of a connection that was lost. */
  readonly code = 'ENOTCONN'

  constructor(queue: string, cause: unknown) {
    super(`the queue ${queue} is away`, { cause })
    this.name = 'QueueAway'
  }
}

/** What services are told in their own queues, and on their jobs. */
export class ProducerQueues implements ProducerJobs {
  readonly #open = new Map<string, Queue<object>>()
  readonly #turns: Queue<object>
  readonly #redis: Redis | null

  constructor(
    private readonly connection: QueueConnection,
    private readonly onError: (error: unknown) => void,
  ) {
    this.#redis = connection.redisUrl ? openRedis(connection.redisUrl, 1, onError) : null
    this.#turns = this.#openQueue(TURNS_QUEUE)
  }

  async note(jobId: string, line: string, progress: JobProgress): Promise<void> {
    await this.#hint(async () => {
      await this.#turns.updateJobProgress(jobId, progress)
      await this.#turns.addJobLog(jobId, line, NOTES_MAX)
    })
  }

  async wake(jobId: string): Promise<void> {
    // Its data may be long, and nobody wants to read it here.
    const job = new Job(this.#turns, TURN_JOB, {}, {}, jobId)
    await this.#hint(() => endSleep(job))
  }

  async send(name: string, jobName: string, jobId: string, data: object): Promise<void> {
    const added = this.#queue(name).add(jobName, data, { jobId })
    const done = await waitAtMost(
      added.catch((error) => {
        throw isOwnFault(error) ? error : new QueueAway(name, error)
      }),
      SEND_MS_MAX,
    )
    if (done === 'late') throw new QueueAway(name, new Error('it does not answer'))
  }

  async close(): Promise<void> {
    const queues = [this.#turns, ...this.#open.values()]
    await Promise.all(queues.map((queue) => this.#close(queue)))
    this.#redis?.disconnect()
  }

  #queue(name: string): Queue<object> {
    const open = this.#open.get(name) ?? this.#openQueue(name)
    this.#open.delete(name)
    this.#open.set(name, open)
    const [oldest] = this.#open
    if (this.#open.size > OPEN_MAX && oldest) {
      this.#open.delete(oldest[0])
      void this.#close(oldest[1])
    }
    return open
  }

  #openQueue(name: string): Queue<object> {
    return openQueue<object>(name, this.connection, this.#redis, POOL_MAX, this.onError)
  }

  async #close(queue: Queue<object>): Promise<void> {
    await waitAtMost(queue.close().catch(this.onError), HINT_MS_MAX)
  }

  async #hint(give: () => Promise<void>): Promise<void> {
    const given = give().catch((error) => {
      // Its producer may have taken the job away, or it woke by itself.
      if (!isMissing(error)) this.onError(error)
    })
    await waitAtMost(given, HINT_MS_MAX)
  }
}

/** The job is not there, or is not delayed any more. */
function isMissing(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return code === -1 || code === -3
}

/** Something else of that name is in the way: no waiting mends that. */
function isOwnFault(error: unknown): boolean {
  const { name, message } = error as Error
  return name === 'ReplyError' && /WRONGTYPE/.test(message)
}
