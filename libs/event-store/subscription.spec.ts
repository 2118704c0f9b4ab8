import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import type { Pool } from 'pg'
import { createPool } from '#postgres/database.js'
import { RawWriter, until, wholeLog } from '../../test/support/feed-load.js'
import { insertion, openLog, type TestLog, tenantId } from '../../test/support/log.js'
import { Feed } from './feed.js'
import type { FeedEvent } from './feed-event.js'
import { quarantinedStreams, retryStream } from './quarantine.js'
import { type Consumer, Subscription } from './subscription.js'
import type { Writer } from './writer.js'

let log: TestLog
let reads: Pool
let feed: Feed
let writer: Writer
let names = 0
const running: { stop: AbortController; done: Promise<void> }[] = []

beforeAll(async () => {
  log = await openLog()
  reads = createPool(log.url, { max: 12 })
  feed = new Feed({ reads })
  feed.start()
  writer = log.openWriter()
})

afterEach(async () => {
  for (const { stop } of running) stop.abort()
  await Promise.all(running.splice(0).map(({ done }) => done))
})

afterAll(async () => {
  await feed.close()
  await reads.end()
  await log.close()
})

/** A name that no other test uses. */
function fresh(): { tenantId: string; name: string } {
  return { tenantId, name: `test-${++names}` }
}

function run(
  key: { tenantId: string; name: string },
  consumer: Consumer,
  leaseMs = 60_000,
): { subscription: Subscription; stop(): Promise<void> } {
  const subscription = new Subscription({
    ...key,
    feed,
    pool: reads,
    consumer,
    leaseMs,
    everyMs: 5,
  })
  const stop = new AbortController()
  const done = subscription.run(stop.signal)
  running.push({ stop, done })
  return {
    subscription,
    stop() {
      stop.abort()
      return done
    },
  }
}

function collector(seen: FeedEvent[]): Consumer {
  return { handle: async (event) => void seen.push(event) }
}

async function write(blockId: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await writer.submit(insertion(blockId, 'x'))
}

/** The position of the newest event. */
async function newest(): Promise<number> {
  return (await wholeLog(reads)).at(-1)?.position ?? 0
}

async function positions(): Promise<number[]> {
  return (await wholeLog(reads)).map(({ position }) => position)
}

describe('a subscription', () => {
  it('handles everything in order, and when it begins again goes on from its checkpoint', async () => {
    const blockId = await log.createBlock(writer)
    await write(blockId, 20)
    const key = fresh()
    const seen: FeedEvent[] = []
    const first = run(key, collector(seen))
    await first.subscription.reached(await newest())
    await first.stop()
    const before = seen.length
    await write(blockId, 20)
    const second = run(key, collector(seen))
    await second.subscription.reached(await newest())
    expect(seen.map(({ position }) => position)).toEqual(await positions())
    expect(seen.length - before).toBe(20)
  })

  it('of several processes one handles; when it stops, another goes on', async () => {
    const blockId = await log.createBlock(writer)
    const key = fresh()
    const seen: FeedEvent[][] = [[], [], []]
    const all = seen.map((own) => run(key, collector(own)))
    await Promise.race(all.map(async ({ subscription }) => subscription.reached(await newest())))
    for (let left = 3; left > 0; left--) {
      await write(blockId, 5)
      const last = await newest()
      const owner = await Promise.race(
        all.map(({ subscription }, i) => subscription.reached(last).then(() => i)),
      )
      await all[owner]?.stop()
    }
    const whole = seen.flat().map(({ position }) => position)
    expect(whole.sort((a, b) => a - b)).toEqual(await positions())
    expect(seen.map((own) => own.length > 0)).toEqual([true, true, true])
  })

  it('waits for the lease of a dead owner to run out, and no longer', async () => {
    const key = fresh()
    await reads.query(
      `insert into subscriptions (tenant_id, name, owner, lease_until)
       values ($1, $2, 'dead', clock_timestamp() + interval '1 hour')`,
      [tenantId, key.name],
    )
    const seen: FeedEvent[] = []
    const { subscription } = run(key, collector(seen))
    await run(fresh(), collector([])).subscription.reached(await newest())
    expect(seen).toEqual([])
    await reads.query('update subscriptions set lease_until = clock_timestamp() where name = $1', [
      key.name,
    ])
    await subscription.reached(await newest())
    expect(seen.map(({ position }) => position)).toEqual(await positions())
  })

  it('does not move the checkpoint of whoever owns it by now', async () => {
    const key = fresh()
    let entered = (): void => {}
    let release = (): void => {}
    const handling = new Promise<void>((resolve) => {
      entered = resolve
    })
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const { stop } = run(key, {
      handle: () => {
        entered()
        return held
      },
    })
    await handling
    await reads.query(
      `update subscriptions set owner = 'other', epoch = epoch + 1,
              lease_until = clock_timestamp() + interval '1 hour' where name = $1`,
      [key.name],
    )
    release()
    await stop()
    const { rows } = await reads.query(
      'select owner, checkpoint from subscriptions where name = $1',
      [key.name],
    )
    expect(rows).toEqual([{ owner: 'other', checkpoint: '0' }])
  })
})

describe('effects in the transaction of the checkpoint', () => {
  it('happen once each, however many connections are cut', async () => {
    const owner = await RawWriter.open(log.url)
    await owner.client.query('create table effects (position bigint not null)')
    await owner.client.query('grant select, insert on effects to palimpsest_app')
    const blockId = await log.createBlock(writer)
    const key = fresh()
    const { subscription } = run(key, {
      apply: async ({ position }, transaction) => {
        await transaction.query('insert into effects (position) values ($1)', [position])
      },
    })
    await subscription.reached(await newest())
    let cut = 0
    for (let i = 0; i < 20; i++) {
      await writer.submit(insertion(blockId, 'x'))
      const { rowCount } = await owner.client.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid()
            and query ~ 'effects|subscriptions|^begin|^commit'`,
      )
      cut += rowCount ?? 0
    }
    await subscription.reached(await newest())
    const { rows } = await reads.query('select position from effects order by position')
    expect(cut).toBeGreaterThan(0)
    expect(rows.map(({ position }) => Number(position))).toEqual(await positions())
    await owner.close()
  }, 90_000)
})

describe('an event that cannot be handled', () => {
  it.each(['handle', 'apply'] as const)(
    'sets its stream aside, the others go on; tried again, it is caught up in order (%s)',
    async (way) => {
      const [good, bad] = [await log.createBlock(writer), await log.createBlock(writer)]
      const key = fresh()
      const seen: FeedEvent[] = []
      let broken = true
      const consume = async (event: FeedEvent): Promise<void> => {
        if (broken && event.streamId === bad && event.version === 3) throw new Error('poison')
        seen.push(event)
      }
      const { subscription } = run(key, { [way]: consume } as unknown as Consumer)
      for (let i = 0; i < 4; i++) {
        await write(bad, 1)
        await write(good, 1)
      }
      await subscription.reached(await newest())
      const versionsOf = (id: string): number[] =>
        seen.filter(({ streamId }) => streamId === id).map(({ version }) => version)
      expect(versionsOf(good)).toEqual([1, 2, 3, 4, 5])
      expect(versionsOf(bad)).toEqual([1, 2])
      expect(await quarantinedStreams(reads, tenantId, key.name)).toMatchObject([
        { subscription: key.name, streamId: bad, version: 3, error: 'poison', retry: false },
      ])
      await retryStream(reads, key, bad)
      await until(
        async () => (await quarantinedStreams(reads, tenantId, key.name))[0]?.retry === false,
      )
      broken = false
      await retryStream(reads, key, bad)
      await until(async () => (await quarantinedStreams(reads, tenantId, key.name)).length === 0)
      await write(bad, 1)
      await subscription.reached(await newest())
      expect(versionsOf(bad)).toEqual([1, 2, 3, 4, 5, 6])
    },
  )

  it('for a reason that will pass is tried again until it is', async () => {
    const blockId = await log.createBlock(writer)
    const key = fresh()
    let failures = 4
    const seen: number[] = []
    const { subscription } = run(key, {
      handle: async ({ streamId, version }) => {
        if (streamId !== blockId) return
        if (failures-- > 0) throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
        seen.push(version)
      },
    })
    await subscription.reached(await newest())
    expect(seen).toEqual([1])
    expect(await quarantinedStreams(reads, tenantId, key.name)).toEqual([])
  })
})
