import type { Pool } from 'pg'
import type { QueueConnection } from '#adapters/queue-connection.js'
import { type WakeQueue, WakeWorker } from '#adapters/wake-queue.js'
import { createPool } from '#postgres/database.js'
import { Session } from '#postgres/session.js'
import { Handover } from '#turns/handover.js'
import { Liveness } from '#turns/liveness.js'
import { renewLease } from '#turns/mailbox.js'
import type { TakeUp } from '#turns/ports.js'
import { shareAmong } from '#turns/sweep.js'
import { WorkerPresence } from '#turns/worker-presence.js'
import type { Turns } from './turns.js'

/** A worker that drains gives its turns so long to end the step they are at. */
const DRAIN_MS = 25_000
/** A look for dead workers that takes longer is given up, and the connection with it. */
const LOOK_MS_MAX = 2_000

export interface AttendanceOptions {
  readonly workerId: string
  readonly connection: QueueConnection
  /** Turns at once. */
  readonly places: number
  readonly turns: Turns
  readonly doorbell: WakeQueue
  /** Its statements wait for a lock only briefly. */
  readonly claims: Pool
  readonly onError: (error: unknown) => void
}

/** What makes a worker one of many: it says that it lives, takes wakes, and sees to agents that nobody is at. */
export interface Attendance {
  /** Workers with a lock, this one among them, at the last look. */
  workers(): number
  start(): Promise<void>
  /** What a hint says of agents that a worker is to take up. */
  handedOver(told: readonly string[]): void
  /** Takes nothing more, and lets turns end the step they are at. */
  drain(): Promise<void>
  /** Takes nothing more, and waits so long for what was broken off. */
  close(deadlineMs: number): Promise<void>
  /** Behind everything that still needs this worker to live. */
  end(): Promise<void>
}

export function openAttendance(options: AttendanceOptions): Attendance {
  const { workerId, connection, places, turns, doorbell, claims, onError } = options
  const wakes = new WakeWorker({ connection, places, onWake: turns.wake, doorbell, onError })
  const takeUp: TakeUp = (mailboxes) =>
    wakes.takeUp(mailboxes, shareAmong(liveness.living, mailboxes.length))
  const lock = createPool(connection.databaseUrl, {
    max: 1,
    queryTimeoutMs: LOOK_MS_MAX,
    onError,
  })
  const handover = new Handover({
    db: claims,
    workerId,
    takeOver: (mailboxes) => wakes.takeOver(mailboxes),
  })
  let draining = false
  const declare = (lockKey: string | null) =>
    renewLease(claims, workerId, lockKey, draining ? 0 : places)
  const liveness: Liveness = new Liveness({
    connect: (onLost) => Session.open(lock, onLost),
    workerId,
    declare,
    // What cannot be dealt out now, the sweep finds.
    takeUp: (mailboxes) => handover.deal(mailboxes).catch(onError),
    onError,
  })
  const { runner } = turns
  const presence = new WorkerPresence({
    db: claims,
    workerId,
    runner,
    liveness,
    declare,
    takeUp,
    onError,
  })
  return {
    workers: () => liveness.living,
    async start() {
      await presence.start()
      wakes.start()
    },
    handedOver: (told) => void handover.heard(told).catch(onError),
    async drain() {
      draining = true
      await Promise.all([declare(liveness.key).catch(onError), wakes.stop(DRAIN_MS)])
    },
    close: (deadlineMs) => wakes.stop(deadlineMs),
    async end() {
      wakes.close()
      await presence.stop().catch(onError)
      await lock.end()
    },
  }
}
