import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { Queue } from 'bullmq'
import type pg from 'pg'
import { openPostgresQueue, type PostgresQueue } from '../../test/support/postgres-queue.js'
import { JobPlaces } from './job-places.js'

const NOW = Date.now()
const LOCK_MS = 3_000

describe('a job on Postgres whose worker died over it', () => {
  let jobs: PostgresQueue
  let sql: pg.Pool
  let queue: Queue<object>
  let places: JobPlaces

  beforeAll(async () => {
    jobs = await openPostgresQueue()
    sql = jobs.sql
    queue = jobs.queue
    places = new JobPlaces(jobs.connection, queue.name)
  })

  afterAll(() => jobs.close())

  beforeEach(async () => {
    await queue.obliterate({ force: true })
    await queue.resume()
    for (const id of ['first', 'second']) await queue.add('job', {}, { jobId: id })
  })

  /** @returns the id of the job that is next, taken at `at` by a worker with this token */
  async function taken(token: string, at: number): Promise<string> {
    const { rows } = await sql.query(
      `select id from bullmq.move_to_active('jobs', $1, ${LOCK_MS}, $2, 'worker', null, null)`,
      [token, at],
    )
    return rows[0]?.id
  }

  it('is next again once its lock has run out, before those behind it', async () => {
    expect(await taken('dead:0', NOW)).toBe('first')
    expect(await places.restore('other', NOW + LOCK_MS)).toBe(false)
    expect(await places.restore('other', NOW + LOCK_MS + 1)).toBe(true)
    expect(await taken('other:0', NOW)).toBe('first')
    expect(await taken('other:1', NOW)).toBe('second')
  })

  it('is left alone while its own worker asks', async () => {
    await taken('living:0', NOW)
    expect(await places.restore('living', NOW + LOCK_MS + 1)).toBe(true)
    expect(await queue.getJobState('first')).toBe('active')
  })

  it('given back by its worker is next again, and by no other', async () => {
    await taken('living:0', NOW)
    const job = await queue.getJob('first')
    if (!job) throw new Error('the job is gone')
    await places.giveBack(job, 'other:0')
    expect(await job.getState()).toBe('active')
    await places.giveBack(job, 'living:0')
    expect(await taken('other:0', NOW)).toBe('first')
  })

  it('control: by BullMQ’s own recovery it goes behind those it was before', async () => {
    await taken('dead:0', NOW)
    for (const later of [1, 2]) {
      await sql.query(`select bullmq.move_stalled_jobs_to_wait('jobs', 1, $1, 0)`, [
        NOW + LOCK_MS + later,
      ])
    }
    expect(await taken('other:0', NOW)).toBe('second')
  })
})
