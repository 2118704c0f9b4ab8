import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import type { Pool } from 'pg'
import pg from 'pg'
import { createPool } from '#postgres/database.js'
import { Session } from '#postgres/session.js'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js'
import { until } from '../../test/support/feed-load.js'
import { openTurnStory, type TurnStory } from '../../test/support/turn-story.js'
import { buryWorkers, seeWorkers } from './dead-workers.js'
import { Liveness } from './liveness.js'
import { claimMailbox, endLease, renewLease } from './mailbox.js'
import type { UnattendedMailbox } from './ports.js'

/** Two looks, and then some for a machine that is busy. */
const FOUND_WITHIN_MS = 1_000

let story: TurnStory
/** Ends connections: the application's role may not. */
let owner: pg.Pool
let workers: TestWorker[] = []

beforeAll(async () => {
  story = await openTurnStory()
  const { connectionString } = story.pool.options
  owner = new pg.Pool({ connectionString, max: 1 })
})

afterAll(async () => {
  await owner.end()
  await story.close()
})

afterEach(async () => {
  for (const worker of workers) await worker.end()
  workers = []
})

interface TestWorker {
  readonly id: string
  readonly liveness: Liveness
  readonly taken: UnattendedMailbox[]
  readonly errors: unknown[]
  /** Its connection ends without a word, as the kernel does it for a process that was killed. */
  die(): Promise<void>
  end(): Promise<void>
}

async function worker(id: string): Promise<TestWorker> {
  const lock = createPool(story.pool.options.connectionString as string, { max: 1 })
  const taken: UnattendedMailbox[] = []
  const errors: unknown[] = []
  const liveness = new Liveness({
    connect: (onLost) => Session.open(lock, onLost),
    workerId: id,
    declare: (key) => renewLease(story.pool, id, key),
    takeUp: async (mailboxes) => void taken.push(...mailboxes),
    onError: (error) => errors.push(error),
  })
  await liveness.start()
  const die = async (): Promise<void> => {
    await liveness.stop()
    liveness.close()
    await lock.end()
  }
  let ended: Promise<void> | null = null
  const started: TestWorker = {
    id,
    liveness,
    taken,
    errors,
    die: () => {
      ended ??= die()
      return ended
    },
    async end() {
      await started.die()
      await endLease(story.pool, id)
    },
  }
  workers.push(started)
  return started
}

async function row(id: string): Promise<{ lock_key: string | null } | undefined> {
  const { rows } = await story.pool.query(
    'select lock_key::text from workers where worker_id = $1',
    [id],
  )
  return rows[0]
}

/** An agent with a turn waiting, claimed by a worker. */
async function claimed(by: TestWorker): Promise<string> {
  const agentId = await story.createAgent()
  await story.queue(agentId, 'go')
  expect(await claimMailbox(story.pool, 'default', agentId, by.id)).not.toBeNull()
  return agentId
}

const terminate = (lockKey: string): Promise<unknown> =>
  owner.query(
    `select pg_terminate_backend(pid) from pg_locks
      where locktype = 'advisory' and (classid::bigint << 32) + objid::bigint = $1::bigint`,
    [lockKey],
  )

describe('a worker whose lock is free', () => {
  it('is dead: its row is gone and its agents are taken up long before its lease ends', async () => {
    const peer = await worker('peer')
    const dead = await worker('dead')
    const agents = [await claimed(dead), await claimed(dead)]
    expect(await claimMailbox(story.pool, 'default', agents[0] as string, 'peer')).toBeNull()
    const died = performance.now()
    await dead.die()
    await until(() => peer.taken.length > 0)
    expect(performance.now() - died).toBeLessThan(FOUND_WITHIN_MS)
    expect(peer.taken.map(({ agentId }) => agentId).sort()).toEqual(agents.sort())
    expect(await row('dead')).toBeUndefined()
    expect(await claimMailbox(story.pool, 'default', agents[0] as string, 'peer')).toMatchObject({
      claim: { epoch: 2 },
    })
  })

  it('is buried by one of many who look at the same moment', async () => {
    const dead = await worker('dead at once')
    await claimed(dead)
    await dead.die()
    const key = (await row(dead.id))?.lock_key as string
    // The server ends the session a moment after its client has.
    await until(async () => (await seeWorkers(story.pool, 'peer'))[0]?.free === true)
    const looks = await Promise.all([1, 2, 3, 4].map((n) => seeWorkers(story.pool, `peer-${n}`)))
    for (const seen of looks) {
      expect(seen).toEqual([{ workerId: dead.id, lockKey: key, free: true }])
    }
    const buried = await Promise.all(looks.map((seen) => buryWorkers(story.pool, seen)))
    expect(buried.flat()).toHaveLength(1)
  })

  it('is left alone if it lives under another by now', async () => {
    const risen = await worker('risen')
    const old = { workerId: 'risen', lockKey: '42', free: true }
    expect(await buryWorkers(story.pool, [old])).toEqual([])
    expect(await row('risen')).toEqual({ lock_key: risen.liveness.key })
  })
})

describe('a living worker', () => {
  it('is seen as one, by any number of lookers, and none of them is left holding its lock', async () => {
    const living = await worker('living')
    const looks = await Promise.all([1, 2, 3, 4].map((n) => seeWorkers(story.pool, `peer-${n}`)))
    expect(looks.flat().map((seen) => seen.free)).toEqual([false, false, false, false])
    const { rows } = await story.pool.query(
      `select mode from pg_locks join pg_database on oid = database
        where locktype = 'advisory' and datname = current_database()`,
    )
    expect(rows).toEqual([{ mode: 'ExclusiveLock' }])
    expect(living.errors).toEqual([])
  })

  it('that loses its connection takes a new lock, and nobody buries it', async () => {
    const peer = await worker('peer')
    const living = await worker('living')
    await claimed(living)
    for (let cut = 0; cut < 5; cut++) {
      const before = living.liveness.key as string
      await terminate(before)
      await until(async () => {
        const key = (await row('living'))?.lock_key
        return key !== null && key !== before && key === living.liveness.key
      })
    }
    expect(peer.taken).toEqual([])
  })

  it('that was buried all the same puts its row back by itself', async () => {
    const living = await worker('living')
    await endLease(story.pool, 'living')
    await until(async () => (await row('living'))?.lock_key === living.liveness.key)
  })

  it('gives the others time to come back when its own connection was cut too', async () => {
    const peer = await worker('peer')
    const slow = await worker('slow')
    await claimed(slow)
    // As after a restart of Postgres: everybody's lock is free, and one of them is back first.
    await slow.liveness.stop()
    const before = peer.liveness.key as string
    await Promise.all([terminate(before), terminate(slow.liveness.key as string)])
    await until(async () => {
      const key = (await row('peer'))?.lock_key
      return key !== null && key !== before
    })
    const back = performance.now()
    await until(() => peer.taken.length > 0)
    expect(performance.now() - back).toBeGreaterThan(500)
  })
})

describe('without a lock', () => {
  let other: TestDatabase
  let nowhere: Pool

  beforeAll(async () => {
    other = await createTestDatabase()
    nowhere = createPool(other.url, { max: 1 })
    await nowhere.end()
  })

  afterAll(() => other.drop())

  it('a worker lives by its lease alone, and complains once', async () => {
    const errors: unknown[] = []
    let tries = 0
    const liveness = new Liveness({
      connect: (onLost) => {
        tries += 1
        return Session.open(nowhere, onLost)
      },
      workerId: 'unlocked',
      declare: (key) => renewLease(story.pool, 'unlocked', key),
      takeUp: async () => {},
      onError: (error) => errors.push(error),
    })
    await liveness.start()
    await renewLease(story.pool, 'unlocked', liveness.key)
    await until(() => tries > 2)
    await liveness.stop()
    expect(errors).toHaveLength(1)
    expect(await seeWorkers(story.pool, 'peer')).toEqual([])
    expect(await row('unlocked')).toEqual({ lock_key: null })
    await endLease(story.pool, 'unlocked')
  })
})
