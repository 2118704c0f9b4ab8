import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Job, type Queue } from 'bullmq'
import type pg from 'pg'
import { until } from '../../test/support/feed-load.js'
import { openPostgresQueue, type PostgresQueue } from '../../test/support/postgres-queue.js'
import { endSleep } from './queue-connection.js'

/** It looked: now it waits for the row. */
const WAITING = `select 1 from pg_stat_activity
  where datname = current_database() and wait_event_type = 'Lock' and state = 'active'`

describe('a queue on Postgres', () => {
  let jobs: PostgresQueue
  let sql: pg.Pool
  let queue: Queue<object>

  beforeAll(async () => {
    jobs = await openPostgresQueue()
    sql = jobs.sql
    queue = jobs.queue
  })

  afterAll(() => jobs.close())

  /** @returns the job's state after a worker took it just when `wake` was at work on it */
  async function takenDuring(wake: (job: Job) => Promise<void>): Promise<string> {
    const { id = '' } = await queue.add('job', {}, { delay: 3_600_000 })
    const taker = await sql.connect()
    try {
      await taker.query('begin')
      await taker.query(`update bullmq.job set state = 'active' where id = $1`, [id])
      const woken = wake(new Job(queue, 'job', {}, {}, id))
      await until(async () => (await sql.query(WAITING)).rowCount === 1)
      await taker.query('commit')
      await woken
    } finally {
      taker.release()
    }
    return queue.getJobState(id)
  }

  it('a job that is added where nobody traces carries no trace', async () => {
    expect((await queue.add('job', {})).opts.telemetry).toBeUndefined()
  })

  it('a parked job that was taken in the moment its sleep is ended is left alone', async () => {
    expect(await takenDuring(endSleep)).toBe('active')
  })

  it('control: by BullMQ’s own promotion it is put back into the line while it runs', async () => {
    expect(await takenDuring((job) => job.promote())).toBe('waiting')
  })
})
