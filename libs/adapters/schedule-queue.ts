import type { Job, Queue, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import type { ScheduleView } from '#read-models/schedules.js'
import type { ScheduleIntake } from '#turns/schedule-intake.js'
import { lastDue } from './cron.js'
import {
  openQueue,
  openRedis,
  openWorker,
  type QueueConnection,
  waitAtMost,
} from './queue-connection.js'

export const SCHEDULE_QUEUE = 'palimpsest-schedules'
/** The schema's version is part of a job's name. */
export const SCHEDULE_JOB = 'schedule.v1'

interface ScheduleJob {
  readonly schedule_id: string
}

const CONCURRENCY = 8
/** A worker that died holds a time up no longer. */
const LOCK_MS = 5_000
const STALLED_EVERY_MS = 2_000
const STALLED_MAX = 1_000
/** A time whose turn cannot be queued is tried so often, so far apart: for about a day. */
const ATTEMPTS = 20_000
const RETRY_MS = 5_000
/** How often the queue is looked at for schedules that it has forgotten, and every how many looks one by one. */
const LOOK_MS = 5_000
const LOOKS_EACH = 12
const POOL_MAX = 2

/**
 * A job scheduler of BullMQ for each schedule: every worker takes their jobs, and the one that leads keeps
 * them in line with the table. The table is the truth: a queue that was wiped is filled again from it.
 */
export class ScheduleQueue {
  readonly #queue: Queue<ScheduleJob>
  readonly #worker: Worker<ScheduleJob>
  readonly #redis: Redis[] = []
  #timer: NodeJS.Timeout | null = null
  #closing = false
  #looks = 0
  /** Looks, one after the other. */
  #looked: Promise<void> = Promise.resolve()

  constructor(
    connection: QueueConnection,
    private readonly intake: Pick<ScheduleIntake, 'all' | 'count' | 'find' | 'fire'>,
    private readonly onError: (error: unknown) => void,
  ) {
    const { redisUrl } = connection
    const own = (retries: number | null): Redis | null => {
      if (!redisUrl) return null
      const redis = openRedis(redisUrl, retries, onError)
      this.#redis.push(redis)
      return redis
    }
    this.#queue = openQueue(SCHEDULE_QUEUE, connection, own(1), POOL_MAX, onError)
    this.#worker = this.#openWorker(connection, own(null))
  }

  /** Keeps the queue in line with the table from now on. */
  lead(): void {
    if (this.#closing) return
    this.#timer ??= setInterval(() => void this.#look(this.#looks++ % LOOKS_EACH === 0), LOOK_MS)
    void this.#look(true)
  }

  /** Leaves that to another process. */
  rest(): void {
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = null
  }

  /** A schedule was made or has ended. Never throws: what fails is found by the next look. */
  follow(scheduleId: string): Promise<void> {
    return this.#next(async () => {
      const schedule = await this.intake.find(scheduleId)
      if (!schedule) await this.#queue.removeJobScheduler(scheduleId)
      else if (!(await this.#queue.getJobScheduler(scheduleId))) await this.#add(schedule)
    })
  }

  /** Waits for the turns that are being queued at most `deadlineMs`; another worker queues them again. */
  async close(deadlineMs: number): Promise<void> {
    this.#closing = true
    this.rest()
    const closed = Promise.all([this.#looked, this.#worker.close(), this.#queue.close()])
    await waitAtMost(closed.catch(this.onError), deadlineMs)
    for (const redis of this.#redis) redis.disconnect()
  }

  #look(eachOne: boolean): Promise<void> {
    return this.#next(async () => {
      if (!eachOne && (await this.#sameNumber())) return
      await this.#align()
    })
  }

  #next(look: () => Promise<void>): Promise<void> {
    this.#looked = this.#looked
      .then(() => (this.#closing ? undefined : look()))
      .catch((error) => {
        // A look that the end cuts off is another process's to make.
        if (!this.#closing) this.onError(error)
      })
    return this.#looked
  }

  async #sameNumber(): Promise<boolean> {
    const [wanted, there] = [this.intake.count(), this.#queue.getJobSchedulersCount()]
    return (await wanted) === (await there)
  }

  async #align(): Promise<void> {
    // First the queue: what is made meanwhile is missing there, and not too much here.
    const there = new Set((await this.#queue.getJobSchedulers()).map(({ key }) => key))
    const wanted = await this.intake.all()
    for (const schedule of wanted) if (!there.has(schedule.id)) await this.#add(schedule)
    for (const { id } of wanted) there.delete(id)
    for (const id of there) await this.#queue.removeJobScheduler(id)
  }

  /**
   * The last time is made up for: the queue may have been wiped before it came, or somebody else's job for it
   * replaced just now. Where it did not get lost its turn is there already.
   */
  async #add({ id, cron: pattern, tz, createdAt }: ScheduleView): Promise<void> {
    await this.#queue.upsertJobScheduler(
      id,
      { pattern, tz },
      {
        name: SCHEDULE_JOB,
        data: { schedule_id: id },
        opts: {
          attempts: ATTEMPTS,
          backoff: { type: 'fixed', delay: RETRY_MS },
          removeOnComplete: true,
          removeOnFail: true,
        },
      },
    )
    const last = lastDue(pattern, tz, new Date())
    if (last > createdAt) await this.intake.fire(id, last)
  }

  #openWorker(connection: QueueConnection, redis: Redis | null): Worker<ScheduleJob> {
    const process = async ({ data, opts }: Job<ScheduleJob>): Promise<void> => {
      await this.intake.fire(data.schedule_id, new Date(opts.prevMillis as number))
    }
    const options = {
      concurrency: CONCURRENCY,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_EVERY_MS,
      maxStalledCount: STALLED_MAX,
    }
    const place = { connection, redis, connections: POOL_MAX, onError: this.onError }
    const worker = openWorker<ScheduleJob, void>(SCHEDULE_QUEUE, place, process, options)
    worker.on('failed', (_job, error) => this.onError(error))
    return worker
  }
}
