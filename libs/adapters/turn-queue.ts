import { setTimeout as sleep } from 'node:timers/promises'
import {
  DelayedError,
  type Job,
  type Queue,
  UnrecoverableError,
  WaitingError,
  type Worker,
} from 'bullmq'
import type { Redis } from 'ioredis'
import { classify } from '#event-store/fault.js'
import { TURNS_QUEUE } from '#producer/turn-job.js'
import type { TurnFailure, TurnResult } from '#producer/turn-result.js'
import type { JobVerdict, QueueIntake } from '#turns/queue-intake.js'
import { JobPlaces } from './job-places.js'
import {
  endSleep,
  openQueue,
  openRedis,
  openWorker,
  type QueueConnection,
  waitAtMost,
} from './queue-connection.js'

/** How long a job sleeps before it looks for its turn's end again: doubling from min to max, milliseconds. */
export interface ParkTimes {
  readonly minMs: number
  readonly maxMs: number
}

const PARK: ParkTimes = { minMs: 1_000, maxMs: 30_000 }
/** One job is taken in at a time, by all workers together: the order of a producer is kept. */
const CONCURRENCY = 1
/** A worker that died holds the only place: others must find out soon. */
const LOCK_MS = 3_000
const STALLED_EVERY_MS = 1_000
/** Until the one that led before has let go of its job, or the database answers. */
const RESTORE_EVERY_MS = 500
/** A stalled job is taken in again, however often: that changes nothing. */
const STALLED_MAX = 1_000
/** Seconds an idle worker waits before it looks by itself. */
const DRAIN_SECONDS = 1
/** A queue that was wiped has forgotten its limit. */
const LIMIT_EVERY_MS = 5_000
/** What a producer that says nothing else can still look up. */
const KEPT_COMPLETED = { age: 24 * 3_600, count: 10_000 }
const KEPT_FAILED = { age: 7 * 24 * 3_600, count: 10_000 }
/** A fault that waiting does not mend fails its job after so many tries; any other is tried for ever. */
const TRIES_MAX = 3
const RETRY_MS_MIN = 50
const RETRY_MS_MAX = 2_000
const POOL_MAX = 4

type TurnJob = Job<unknown, TurnResult>

/**
 * Takes jobs of the queue of turns in, one at a time, while it leads. A job whose turn runs is parked: it sleeps in the
 * queue and holds no place.
 */
export class TurnQueue {
  readonly #queue: Queue<unknown>
  readonly #worker: Worker<unknown, TurnResult>
  readonly #places: JobPlaces
  readonly #redis: Redis[] = []
  readonly #closing = new AbortController()
  #limit: NodeJS.Timeout | null = null
  /** Leading and resting, one after the other. */
  #changed: Promise<void> = Promise.resolve()

  constructor(
    connection: QueueConnection,
    private readonly intake: Pick<QueueIntake, 'take' | 'look'>,
    private readonly onError: (error: unknown) => void,
    private readonly park: ParkTimes = PARK,
  ) {
    const { redisUrl } = connection
    const own = (retries: number | null): Redis | null => {
      if (!redisUrl) return null
      const redis = openRedis(redisUrl, retries, onError)
      this.#redis.push(redis)
      return redis
    }
    this.#queue = openQueue(TURNS_QUEUE, connection, own(1), 1, onError)
    this.#places = new JobPlaces(connection, TURNS_QUEUE)
    this.#worker = this.#openWorker(connection, own(null))
  }

  /**
   * Takes jobs in from now on. One process at a time should: the limit of the queue holds whatever happens,
   * but on Postgres whoever waits for a place asks for it again and again.
   */
  lead(): void {
    this.#change(async () => {
      await this.#until(() => this.#setLimit(), RETRY_MS_MAX)
      // What the one that led before was at comes first: nobody may overtake it.
      await this.#until(() => this.#restored(), RESTORE_EVERY_MS)
      if (this.#closing.signal.aborted) return
      this.#limit ??= setInterval(() => void this.#setLimit(), LIMIT_EVERY_MS)
      if (this.#worker.isRunning()) this.#worker.resume()
      else this.#worker.run().catch(this.onError)
    })
  }

  /** Leaves jobs to another process, after the one at hand. */
  rest(): void {
    this.#change(async () => {
      if (this.#limit) clearInterval(this.#limit)
      this.#limit = null
      await this.#worker.pause(true)
    })
  }

  /** Waits for the job at hand at most `deadlineMs`; another worker takes it in again. */
  async close(deadlineMs: number): Promise<void> {
    this.#closing.abort()
    if (this.#limit) clearInterval(this.#limit)
    const closed = Promise.all([this.#changed, this.#worker.close(), this.#queue.close()])
    await waitAtMost(closed.catch(this.onError), deadlineMs)
    for (const redis of this.#redis) redis.disconnect()
  }

  /** Tries again and again, until it is done or this is to close. */
  async #until(isDone: () => Promise<boolean>, everyMs: number): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted && !(await isDone())) await pause(everyMs, signal)
  }

  #change(to: () => Promise<void>): void {
    this.#changed = this.#changed
      .then(() => (this.#closing.signal.aborted ? undefined : to()))
      .catch(this.onError)
  }

  #openWorker(connection: QueueConnection, redis: Redis | null): Worker<unknown, TurnResult> {
    const options = {
      autorun: false,
      concurrency: CONCURRENCY,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_EVERY_MS,
      maxStalledCount: STALLED_MAX,
      drainDelay: DRAIN_SECONDS,
      removeOnComplete: KEPT_COMPLETED,
      removeOnFail: KEPT_FAILED,
    }
    const process = (job: TurnJob, token?: string) => this.#process(job, token)
    const place = { connection, redis, connections: POOL_MAX, onError: this.onError }
    return openWorker<unknown, TurnResult>(TURNS_QUEUE, place, process, options)
  }

  async #process(job: TurnJob, token: string | undefined): Promise<TurnResult> {
    const verdict = await this.#take(job)
    if (!verdict) {
      // Where it cannot be given back, the next to lead finds it.
      await this.#places.giveBack(job, token).catch(this.onError)
      throw new WaitingError()
    }
    if ('returns' in verdict) return verdict.returns
    if ('fails' in verdict) throw refusal(verdict.fails)
    const { minMs, maxMs } = this.park
    const doubled = minMs * 2 ** Math.min(job.attemptsStarted - 1, 20)
    await job.moveToDelayed(Date.now() + Math.min(doubled, maxMs), token)
    if (verdict.parked !== null) void this.#wakeIfOver(job, verdict.parked)
    throw new DelayedError()
  }

  /**
   * In its place until it succeeds: whatever is queued behind it must not overtake it.
   *
   * @returns null when this process stops before: another one is to take it in.
   */
  async #take(job: TurnJob): Promise<JobVerdict | null> {
    const { id = '', name, data, timestamp: addedAt } = job
    for (let tries = 1; ; tries++) {
      try {
        return await this.intake.take({ id, name, data, addedAt })
      } catch (error) {
        this.onError(error)
        if (classify(error) === 'bug' && tries >= TRIES_MAX) return { fails: FAULT }
        const ms = Math.min(RETRY_MS_MIN * 2 ** tries, RETRY_MS_MAX)
        await pause(ms, this.#closing.signal)
        if (this.#closing.signal.aborted) return null
      }
    }
  }

  /** It may have ended before the job slept, when a wake found nobody. */
  async #wakeIfOver(job: TurnJob, runId: string): Promise<void> {
    try {
      if ('parked' in (await this.intake.look(runId))) return
      await endSleep(job)
    } catch {
      // It wakes by itself.
    }
  }

  async #restored(): Promise<boolean> {
    return this.#places.restore(this.#worker.id, Date.now()).catch((error) => {
      this.onError(error)
      return false
    })
  }

  async #setLimit(): Promise<boolean> {
    return this.#queue.setGlobalConcurrency(CONCURRENCY).then(
      () => true,
      (error) => {
        this.onError(error)
        return false
      },
    )
  }
}

const FAULT: TurnFailure = {
  class: 'Internal',
  code: 'internal',
  message: 'The turn could not be queued: a fault of ours',
  retriable: true,
  run_id: null,
}

/** Final for BullMQ, whatever attempts the job has. */
function refusal(failure: TurnFailure): UnrecoverableError {
  const error = new UnrecoverableError(JSON.stringify(failure))
  // It tells where we are, not what is wrong with the job.
  delete error.stack
  return error
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {})
}
