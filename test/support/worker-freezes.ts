import { setTimeout as pause } from 'node:timers/promises'
import { until } from './feed-load.js'
import { pick, type Seeded } from './seeded.js'
import type { TurnFleet } from './turn-fleet.js'
import { recovered, runsOf } from './worker-kills.js'

export interface WorkerFreezes {
  readonly freezes: number
  /** Turns the frozen workers had, taken over by others before they were let go on. */
  readonly takenOver: number
  /** Writes of workers that were let go on, turned away. */
  readonly fenced: number
}

/** Turns a worker has when it is frozen, at least. */
const HELD_MIN = 2
/** Between two freezes, at most. */
const PAUSE_MS_MAX = 1_000

/**
 * Freezes several workers at a time with SIGSTOP, and lets them go on when others have all their turns.
 *
 * @param plan.realLease whether it is waited until their leases have run out; else these are ended in the database.
 */
export async function freezeWorkers(
  { crew, sql }: TurnFleet,
  plan: {
    readonly freezes: number
    readonly atOnce: number
    readonly random: Seeded
    readonly realLease?: boolean
  },
): Promise<WorkerFreezes> {
  const { random } = plan
  let freezes = 0
  let takenOver = 0
  while (freezes < plan.freezes) {
    await pause(random() * PAUSE_MS_MAX)
    const left = [...crew.workers]
    const frozen = Array.from(
      { length: Math.min(plan.atOnce, plan.freezes - freezes) },
      () => left.splice(pick(random, left.length), 1)[0] as (typeof left)[number],
    )
    // One that has nothing would be frozen for nothing.
    for (const { workerId } of frozen) {
      await until(async () => (await runsOf(sql, workerId)).length >= HELD_MIN)
    }
    const frozenAt = Date.now()
    for (const worker of frozen) worker.signal('SIGSTOP')
    if (!plan.realLease) {
      await sql.query(
        'update workers set lease_until = clock_timestamp() where worker_id = any($1)',
        [frozen.map(({ workerId }) => workerId)],
      )
    }
    const runs = await Promise.all(frozen.map(({ workerId }) => runsOf(sql, workerId)))
    takenOver += (await recovered(sql, runs.flat(), frozenAt)).length
    for (const worker of frozen) worker.signal('SIGCONT')
    freezes += frozen.length
  }
  return { freezes, takenOver, fenced: await fencedOf({ crew }) }
}

async function fencedOf({ crew }: Pick<TurnFleet, 'crew'>): Promise<number> {
  const counts = await Promise.all(crew.workers.map((worker) => worker.fenced()))
  return counts.reduce((a, b) => a + b, 0)
}
