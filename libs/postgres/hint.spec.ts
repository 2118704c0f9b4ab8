import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import pg from 'pg'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js'
import { createPool } from './database.js'
import { GrowthHint } from './hint.js'

const CHANNEL = 'growth'
const HOUR_MS = 3_600_000

let database: TestDatabase
let listener: pg.Client
let pool: pg.Pool

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool(database.url, { max: 1 })
  listener = new pg.Client({ connectionString: database.url })
  await listener.connect()
  await listener.query(`listen ${CHANNEL}`)
})

afterAll(async () => {
  await listener.end()
  await pool.end()
  await database.drop()
})

/** How many hints come of three commits. */
async function hintsOf(restMs: number): Promise<number> {
  let hints = 0
  const end = new Promise<void>((resolve) => {
    const hear = ({ payload }: pg.Notification): void => {
      if (payload !== 'end') hints += 1
      else resolve(void listener.off('notification', hear))
    }
    listener.on('notification', hear)
  })
  const hint = new GrowthHint(pool, CHANNEL, restMs)
  for (let i = 0; i < 3; i++) hint.send()
  await pool.query('select pg_notify($1, $2)', [CHANNEL, 'end'])
  await end
  return hints
}

describe('growth', () => {
  it('that goes on is told once', async () => {
    expect(await hintsOf(HOUR_MS)).toBe(1)
  })

  it('that begins again after a rest is told again', async () => {
    expect(await hintsOf(0)).toBe(3)
  })
})
