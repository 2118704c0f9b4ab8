import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Pool, QueryConfig } from 'pg'
import type { Queryable } from '#event-store/stream-reader.js'
import { createPool } from '#postgres/database.js'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js'
import { type CallLeave, ModelBreakers } from './model-breakers.js'

const KEY = 'groq:0123456789abcdef'

let database: TestDatabase
let pool: Pool

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool(database.url, { max: 10 })
})

afterAll(async () => {
  await pool.end()
  await database.drop()
})

async function leave(breakers: ModelBreakers, key = KEY): Promise<CallLeave> {
  const admission = await breakers.admit(key)
  if ('waitMs' in admission) throw new Error(`to wait ${admission.waitMs} ms`)
  return admission
}

describe('the breakers of all workers', () => {
  it('hold for everyone with the same key, and for nobody else', async () => {
    const [one, other] = [new ModelBreakers(pool), new ModelBreakers(pool)]
    await one.settle(await leave(one), { type: 'limited', retryAfterMs: 60_000 })
    const { waitMs } = (await other.admit(KEY)) as { waitMs: number }
    expect(waitMs).toBeGreaterThan(50_000)
    expect(waitMs).toBeLessThanOrEqual(60_000)
    await leave(other, 'groq:another')
    await expect(other.admit(null)).resolves.toMatchObject({ limitedAs: null })
  })

  it('let one of many try when the time has passed, and all when it was answered', async () => {
    await pool.query(`update model_breakers set open_until = clock_timestamp()`)
    const workers = Array.from({ length: 8 }, () => new ModelBreakers(pool))
    const admissions = await Promise.all(workers.map((worker) => worker.admit(KEY)))
    const leaves = admissions.filter((admission) => !('waitMs' in admission))
    expect(leaves).toHaveLength(1)
    await workers[0]?.settle(leaves[0] as CallLeave, { type: 'answered' })
    const after = await Promise.all(workers.map((worker) => worker.admit(KEY)))
    expect(after.filter((admission) => 'waitMs' in admission)).toEqual([])
  })

  it('lose no failure that workers report at the same moment', async () => {
    const breakers = new ModelBreakers(pool)
    const given = await leave(breakers, 'groq:failing')
    await Promise.all([1, 2, 3, 4].map(() => breakers.settle(given, { type: 'failed' })))
    const { rows } = await pool.query(
      `select failures, open_until from model_breakers where limited_as = 'groq:failing'`,
    )
    expect(rows).toEqual([{ failures: 4, open_until: null }])
  })

  it('are looked at once for all calls that begin at the same moment', async () => {
    let looks = 0
    const counted = {
      query(asked: QueryConfig) {
        looks += 1
        return pool.query(asked)
      },
    }
    const breakers = new ModelBreakers(counted as Queryable)
    await Promise.all(Array.from({ length: 32 }, () => leave(breakers, 'groq:crowded')))
    expect(looks).toBe(1)
  })

  it('write nothing while all is well, and keep no answer from its turn when the database is away', async () => {
    const breakers = new ModelBreakers(pool)
    await breakers.settle(await leave(breakers, 'groq:well'), { type: 'answered' })
    const { rows } = await pool.query(`select from model_breakers where limited_as = 'groq:well'`)
    expect(rows).toEqual([])
    const gone = createPool('postgres://127.0.0.1:1/none', { max: 1 })
    await new ModelBreakers(gone).settle(await leave(breakers), { type: 'failed' })
    await gone.end()
  })
})
