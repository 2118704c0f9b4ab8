import type { Job } from 'bullmq'
import { createPool } from '#postgres/database.js'
import { type QueueConnection, SCHEMA } from './queue-connection.js'

/** A job that waits again, where it stood: its number in the queue has never changed. */
const WAITS = `update ${SCHEMA}.job
     set state = 'waiting', lock_token = null, locked_until_ms = null, stalled_marked = false
   where queue = $1 and state = 'active'`

/**
 * The places of jobs in a queue whose order counts. In Redis a job whose worker died goes back to the front of the line,
 * by BullMQ itself; its Postgres backend sends it to the end, and those behind it overtake it
 * (libs/adapters/job-places.spec.ts). So there its state is changed here, and its place is left alone.
 */
export class JobPlaces {
  constructor(
    private readonly connection: QueueConnection,
    private readonly queue: string,
  ) {}

  /**
   * Puts jobs that other workers left behind back into their places.
   *
   * @param worker the id of the one that asks: its own jobs are left alone.
   * @param now milliseconds since 1970, as locks of jobs tell their ends.
   * @returns false while another worker's lock has not run out: it may be alive.
   */
  async restore(worker: string, now: number): Promise<boolean> {
    if (this.connection.redisUrl) return true
    const others = 'not starts_with(lock_token, $2)'
    const { held } = await this.#query<{ held: boolean }>(
      `with left_behind as (${WAITS} and ${others} and locked_until_ms < $3)
       select exists (select from ${SCHEMA}.job
          where queue = $1 and state = 'active' and ${others} and locked_until_ms >= $3) as held`,
      [this.queue, `${worker}:`, now],
    )
    return !held
  }

  /** Leaves a job that its worker has not done to the next one. */
  async giveBack(job: Job, token: string | undefined): Promise<void> {
    if (this.connection.redisUrl) {
      await job.moveToWait(token)
      return
    }
    await this.#query(`${WAITS} and id = $2 and lock_token = $3`, [this.queue, job.id, token])
  }

  /** @returns the first row, of a statement that answers any. */
  async #query<R extends object>(text: string, values: readonly unknown[]): Promise<R> {
    const pool = createPool(this.connection.databaseUrl, { max: 1 })
    try {
      const { rows } = await pool.query<R>(text, [...values])
      return rows[0] as R
    } finally {
      await pool.end()
    }
  }
}
