import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import pg from 'pg'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js'
import { createPool } from './database.js'
import { Leadership } from './leadership.js'

const LOCK = 4_711
let database: TestDatabase
let pool: pg.Pool
/** Of the database, who may end a session. */
let owner: pg.Client

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool(database.url, { max: 4, onError: () => {} })
  owner = new pg.Client({ connectionString: database.url })
  await owner.connect()
})

afterAll(async () => {
  await owner.end()
  await pool.end()
  await database.drop()
})

/** Three who want to lead; `told` is what each was told, in order. */
function candidates(told: string[]): Leadership[] {
  return [0, 1, 2].map((n) => {
    const [onLead, onLost] = [() => told.push(`${n} leads`), () => told.push(`${n} rests`)]
    return new Leadership({ pool, lock: LOCK, onLead, onLost, onError: () => {}, everyMs: 5 })
  })
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate)
}

describe('of several processes', () => {
  it('one leads; when it stops, or its session breaks, another does', async () => {
    const told: string[] = []
    const all = candidates(told)
    for (const one of all) one.start()
    await until(() => told.length === 1)
    const first = Number(told[0]?.[0])
    await all[first]?.close()
    await until(() => told.length === 3)
    expect(told[1]).toBe(`${first} rests`)
    const second = told[2]?.[0]
    expect(second).not.toBe(String(first))
    await owner.query(
      `select pg_terminate_backend(pid) from pg_locks
        where locktype = 'advisory' and granted and objid = $1`,
      [LOCK],
    )
    await until(() => told.length >= 5)
    expect(told[3]).toBe(`${second} rests`)
    expect(told[4]).toMatch(/leads$/)
    await Promise.all(all.map((one) => one.close()))
  })
})
