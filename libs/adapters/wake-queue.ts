import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Job, type JobsOptions, type Queue, runMigrations, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import pg from 'pg'
import { APPLICATION_ROLE } from '#postgres/database.js'
import type { Doorbell, Mailbox, UnattendedMailbox } from '#turns/ports.js'
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

/** One wake for many agents: whoever takes it wakes as many of them as it has places for. */
export const WAKES_JOB = 'wakes.v1'

export interface WakeJob {
  readonly tenant_id: string
  readonly agent_id: string
}

export interface WakesJob {
  readonly mailboxes: readonly Mailbox[]
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

interface RingJob {
  readonly name: string
  readonly data: WakeJob | WakesJob
  readonly opts: JobsOptions
}

/** The doorbell of the api and of workers. */
export class WakeQueue implements Doorbell {
  readonly #queue: Queue<WakeJob | WakesJob>
  readonly #redis: Redis | null

  constructor(
    connection: QueueConnection,
    private readonly onError: (error: unknown) => void,
  ) {
    this.#redis = connection.redisUrl ? openRedis(connection.redisUrl, 1, onError) : null
    this.#queue = openQueue<WakeJob | WakesJob>(
      WAKE_QUEUE,
      connection,
      this.#redis,
      POOL_MAX,
      onError,
    )
  }

  /** While the agent is being worked on, any number of rings come to one further wake. */
  async ring(tenantId: string, agentId: string): Promise<void> {
    await this.#add(tenantId, agentId, { deduplication: { id: agentId, keepLastIfActive: true } })
  }

  /** So many of them at a time, for each worker that has places. */
  async ringTogether(mailboxes: readonly UnattendedMailbox[], share: number): Promise<void> {
    const jobs: RingJob[] = []
    for (let from = 0; from < mailboxes.length; from += share) {
      const part = mailboxes.slice(from, from + share)
      const [first, last] = [part[0] as UnattendedMailbox, part.at(-1) as UnattendedMailbox]
      const place = `${first.agentId}-${last.agentId}-${part.length}`
      const opts = { ...ONCE, jobId: `wakes-${place}-${first.epoch}-${first.second}` }
      jobs.push({ name: WAKES_JOB, data: { mailboxes: part }, opts })
    }
    await this.#addAll(jobs)
    await this.forgetRings(mailboxes)
  }

  /** Those that a worker took and has no place for: whoever has one takes them. */
  async handOn(mailboxes: readonly Mailbox[]): Promise<void> {
    if (mailboxes.length === 0) return
    // Under no id of its own: the job that brought them is still there.
    await this.#addAll([{ name: WAKES_JOB, data: { mailboxes }, opts: ONCE }])
  }

  /** Whatever job was rung last is no longer in the way of the next ring: it may be that of a dead worker. */
  async forgetRings(mailboxes: readonly Mailbox[]): Promise<void> {
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

  async #addAll(jobs: RingJob[]): Promise<void> {
    if (jobs.length > 0) await this.#bounded(this.#queue.addBulk(jobs))
  }

  /** Waits for the queue a while; never throws. */
  async #bounded(asked: Promise<unknown>): Promise<void> {
    await waitAtMost(asked.catch(this.onError), RING_MS_MAX)
  }
}

/** A stalled wake comes again, and is over at once: that is no failure to be told. */
const STALLED_MAX = 1000
/**
 * BullMQ takes jobs one by one until it has as many as it may, and only then starts the first. So it may have one
 * more than are running: else a full queue delays each wake until all places are taken, and the first worker that
 * hears of many takes them all.
 */
const TAKEN_AHEAD_MAX = 1

export interface WakeWorkerOptions {
  readonly connection: QueueConnection
  /** Wakes at once, wherever they come from. */
  readonly places: number
  readonly onWake: (job: WakeJob) => Promise<void>
  readonly doorbell: WakeQueue
  readonly onError: (error: unknown) => void
}

type TakenJob = Pick<Job<WakeJob | WakesJob>, 'data' | 'stalledCounter'>

interface Taken<M> {
  readonly taken: readonly M[]
  readonly left: readonly M[]
}

/** Takes wakes: from the queue, and those that this very process has found to be needed. */
export class WakeWorker {
  readonly #redis: Redis | null
  readonly #worker: Worker<WakeJob | WakesJob, void>
  /** Running wakes of the queue, and others. */
  #queued = 0
  readonly #own = new Set<Promise<void>>()
  #started = false
  #stopped = false
  #paused = false
  #pausing: Promise<void> = Promise.resolve()

  /** Takes nothing from the queue before `start`. */
  constructor(private readonly options: WakeWorkerOptions) {
    const { connection, onError } = options
    this.#redis = connection.redisUrl ? openRedis(connection.redisUrl, null, onError) : null
    const process = async ({ data, stalledCounter }: TakenJob): Promise<void> => {
      // Whoever had it died, and what it was at is taken up without it.
      if (stalledCounter > 0) return
      if ('mailboxes' in data) return options.doorbell.handOn(this.#take(data.mailboxes).left)
      this.#count(1)
      await options.onWake(data).finally(() => this.#count(-1))
    }
    const place = { connection, redis: this.#redis, connections: POOL_MAX, onError }
    const settings = { concurrency: 1, maxStalledCount: STALLED_MAX, autorun: false }
    this.#worker = openWorker(WAKE_QUEUE, place, process, settings)
    this.#worker.on('failed', (_job, error) => onError(error))
  }

  /** Places that are taken. */
  get taken(): number {
    return this.#queued + this.#own.size
  }

  start(): void {
    this.#started = true
    this.#worker.run().catch(this.options.onError)
    this.#count(0)
  }

  /**
   * Runs its share of wakes without the queue as far as there are places, and rings for the rest together. Many wakes
   * in one process cost a small part of what they do one by one in many (docs/decisions/0030).
   *
   * @param share how many wakes one worker is to get of them
   */
  async takeUp(mailboxes: readonly UnattendedMailbox[], share: number): Promise<void> {
    const { doorbell } = this.options
    const { taken, left } = this.#take(mailboxes, share)
    await doorbell.ringTogether(left, share)
    await doorbell.forgetRings(taken)
  }

  /** Runs these wakes without the queue as far as there are places; whoever has one takes the rest. */
  async takeOver(mailboxes: readonly Mailbox[]): Promise<void> {
    const { doorbell } = this.options
    const { taken, left } = this.#take(mailboxes)
    await doorbell.handOn(left)
    await doorbell.forgetRings(taken)
  }

  /** Takes no more wakes from now on; waits for the running ones at most `deadlineMs`. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopped = true
    const ended = Promise.all([this.#worker.close(), ...this.#own])
    await waitAtMost(ended.catch(this.options.onError), deadlineMs)
  }

  /** After `stop`. */
  close(): void {
    this.#redis?.disconnect()
  }

  #take<M extends Mailbox>(mailboxes: readonly M[], share = mailboxes.length): Taken<M> {
    const places = this.#stopped ? 0 : this.options.places - this.taken
    const count = Math.max(0, Math.min(places, share))
    const taken = mailboxes.slice(0, count)
    for (const { tenantId, agentId } of taken) {
      this.#run({ tenant_id: tenantId, agent_id: agentId })
    }
    return { taken, left: mailboxes.slice(count) }
  }

  #run(wake: WakeJob): void {
    const { onWake, onError } = this.options
    const run = onWake(wake)
      .catch(onError)
      .finally(() => {
        this.#own.delete(run)
        this.#count(0)
      })
    this.#own.add(run)
    this.#count(0)
  }

  #count(queued: number): void {
    this.#queued += queued
    const { places, onError } = this.options
    const left = places - this.#own.size
    this.#worker.concurrency = Math.max(1, Math.min(left, this.#queued + TAKEN_AHEAD_MAX))
    const isFull = left <= 0
    if (!this.#started || this.#stopped || isFull === this.#paused) return
    // BullMQ takes one job at least, or none.
    this.#paused = isFull
    this.#pausing = this.#pausing.then(() => this.#pause(isFull)).catch(onError)
  }

  async #pause(paused: boolean): Promise<void> {
    if (paused) return this.#worker.pause(true)
    await this.#worker.resume()
    // Its loop may just have been ending: `resume` takes it for running then.
    await nextTurn()
    if (!this.#stopped && !this.#worker.isRunning()) {
      this.#worker.run().catch(this.options.onError)
    }
  }
}
