import type { Pool } from 'pg'
import { ProducerQueues } from '#adapters/producer-queues.js'
import { type QueueConnection, waitAtMost } from '#adapters/queue-connection.js'
import { ScheduleQueue } from '#adapters/schedule-queue.js'
import { type ParkTimes, TurnQueue } from '#adapters/turn-queue.js'
import type { Door } from '#commands/metadata.js'
import { Feed } from '#event-store/feed.js'
import type { FeedEvent } from '#event-store/feed-event.js'
import { Subscription } from '#event-store/subscription.js'
import type { Database } from '#postgres/database.js'
import { Leadership } from '#postgres/leadership.js'
import type { Doorbell } from '#turns/ports.js'
import { QueueIntake } from '#turns/queue-intake.js'
import { ScheduleIntake } from '#turns/schedule-intake.js'
import { ANSWERED_TYPES, ANSWERS, TurnAnswers } from '#turns/turn-answers.js'

/** Of the process that takes jobs in: an advisory lock of the database. */
const INTAKE_LOCK = 7_236_013_551
/** Of the feed of a worker that another one spares the watching: readers and hints shorten it. */
const REST_MS = 1_000
/** Nobody waits for what a worker does for events: each look it spares is left to the turns. */
const BREATH_MS = 25
/** After one of these the queue is made to follow the table of schedules. */
const SCHEDULING_TYPES: readonly string[] = ['AgentScheduled', 'AgentUnscheduled']

export interface ProducersOptions {
  readonly connection: QueueConnection
  readonly tenantId: string
  readonly execute: Door
  readonly doorbell: Doorbell
  readonly reads: Pool
  readonly db: Database
  readonly onError: (error: unknown) => void
  readonly park?: ParkTimes | undefined
}

/** What a worker does for turns that others queue: takes jobs and the times of schedules in, and answers. */
export interface Producers {
  /** Open as long as they are. */
  readonly feed: Feed
  /** The log has grown: here, or elsewhere as a hint says. */
  wake(): void
  close(deadlineMs: number): Promise<void>
}

export async function openProducers(options: ProducersOptions): Promise<Producers> {
  const { connection, tenantId, reads, db, execute, doorbell, onError } = options
  const intake = new QueueIntake({ tenantId, execute, doorbell, reads: { db, pool: reads } })
  const queue = new TurnQueue(connection, intake, onError, options.park)
  const schedules = new ScheduleQueue(connection, new ScheduleIntake(options), onError)
  const jobs = new ProducerQueues(connection, onError)
  const feed = new Feed({ reads, onError, restMs: REST_MS, breathMs: BREATH_MS })
  feed.start()
  const answers = new TurnAnswers(reads, jobs)
  const subscription = new Subscription({
    tenantId,
    name: ANSWERS,
    feed,
    pool: reads,
    filter: { types: ANSWERED_TYPES },
    consumer: { handle: (event) => answers.handle(event) },
    onError,
  })
  const stopping = new AbortController()
  const answered = subscription.run(stopping.signal)
  const scheduled = new Subscription({
    tenantId,
    name: 'schedules',
    feed,
    pool: reads,
    filter: { types: SCHEDULING_TYPES },
    consumer: { handle: (event) => schedules.follow(scheduleOf(event)) },
    onError,
  }).run(stopping.signal)
  const leadership = new Leadership({
    pool: reads,
    lock: INTAKE_LOCK,
    onLead: () => {
      queue.lead()
      schedules.lead()
    },
    onLost: () => {
      queue.rest()
      schedules.rest()
    },
    onError,
  })
  leadership.start()
  return {
    feed,
    wake: () => feed.wake(),
    async close(deadlineMs) {
      stopping.abort()
      // The place is given up once it is free.
      await Promise.all([queue.close(deadlineMs), schedules.close(deadlineMs)])
      const ended = [leadership.close(), answered, scheduled, feed.close()]
      await waitAtMost(Promise.all(ended), deadlineMs)
      await jobs.close()
    },
  }
}

/** Empty when the event was erased: nothing has that id. */
function scheduleOf({ payload }: FeedEvent): string {
  return (payload as { readonly schedule_id: string } | null)?.schedule_id ?? ''
}
