import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { Queue } from 'bullmq'
import pg from 'pg'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js'
import { JobPlaces } from './job-places.js'
import { openQueue } from './queue-connection.js'
import { prepareSchema } from './schema.js'

const NOW = Date.now()
const LOCK_MS = 3_000

describe('a job on Postgres whose worker died over it', () => {
  let database: TestDatabase
  let sql: pg.Pool
  let queue: Queue<object>
  let places: JobPlaces

  beforeAll(async () => {
    database = await createTestDatabase()
    await prepareSchema(database.url)
    sql = new pg.Pool({ connectionString: database.url, max: 2 })
    const connection = { redisUrl: null, queuePrefix: 'palimpsest', databaseUrl: database.url }
    queue = openQueue<object>('jobs', connection, null, 2, (error) => {
      throw error
    })
    places = new JobPlaces(connection, 'jobs')
  })

  afterAll(async () => {
    await queue.close()
    await sql.end()
    await database.drop()
  })

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
