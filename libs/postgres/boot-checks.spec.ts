import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import pg from 'pg'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js'
import { checkDatabase } from './boot-checks.js'
import { createPool } from './database.js'

let database: TestDatabase
let owner: pg.Client

beforeAll(async () => {
  database = await createTestDatabase()
  owner = new pg.Client({ connectionString: database.url })
  await owner.connect()
})

afterAll(async () => {
  await owner.end()
  await database.drop()
})

/** Judges new connections, as a start does; test clusters flush nothing, which is allowed here. */
async function judged(
  settings: Record<string, string> = {},
  allowUnsafeDurability = true,
): Promise<unknown> {
  const pool = createPool(database.url, { max: 1, settings })
  try {
    return await checkDatabase(pool, { allowUnsafeDurability })
  } catch (error) {
    return error
  } finally {
    await pool.end()
  }
}

describe('a start', () => {
  it('is refused when Postgres does not flush, names the settings, and says how to go on', async () => {
    const refusal = await judged({ synchronous_commit: 'off' }, false)
    expect(refusal).toMatchObject({ name: 'BootRefusal', reason: 'unsafe_durability' })
    expect(String(refusal)).toContain('synchronous_commit off')
    expect(refusal).toMatchObject({ hint: expect.stringContaining('ALTER SYSTEM SET') })
  })

  it('goes on when that is allowed by name, and tells that durability is degraded', async () => {
    expect(await judged({ synchronous_commit: 'off' })).toBe('degraded')
  })

  it('accepts the role the migrations make', async () => {
    expect(await judged()).toMatch(/^(ok|degraded)$/)
  })

  it('is refused to a superuser, whatever is allowed', async () => {
    const refusal = await judged({ role: 'palimpsest' })
    expect(refusal).toMatchObject({ reason: 'unsafe_role' })
    expect(String(refusal)).toContain('is a superuser')
  })

  it.each([
    [
      'UPDATE',
      'grant update on events to palimpsest_app',
      'revoke update on events from palimpsest_app',
    ],
    [
      'UPDATE',
      'grant update (payload) on events to palimpsest_app',
      'revoke update (payload) on events from palimpsest_app',
    ],
    ['DELETE', 'grant delete on events to public', 'revoke delete on events from public'],
    [
      'TRUNCATE',
      'grant truncate on events to palimpsest_app',
      'revoke truncate on events from palimpsest_app',
    ],
  ])('is refused to a role with %s on events: %s', async (privilege, grant, revoke) => {
    await owner.query(grant)
    const refusal = await judged()
    await owner.query(revoke)
    expect(refusal).toMatchObject({ reason: 'unsafe_role' })
    expect(String(refusal)).toContain(privilege)
    expect(await judged()).toMatch(/^(ok|degraded)$/)
  })
})
