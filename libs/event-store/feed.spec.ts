import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import type { Pool } from 'pg'
import { createPool } from '#postgres/database.js'
import { countQueries } from '../../test/support/counted-queries.js'
import { RawWriter, type Read, rawStreams, until, wholeLog } from '../../test/support/feed-load.js'
import { race } from '../../test/support/feed-race.js'
import { insertion, openLog, type TestLog, tenantId } from '../../test/support/log.js'
import { Feed } from './feed.js'
import type { FeedFilter } from './feed-event.js'
import type { Batch } from './feed-inbox.js'

const CUT_POLLER = `select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and query like '%from events_position%' and pid <> pg_backend_pid()`
const NONE = { missed: 0, doubled: 0, inverted: 0 }

let log: TestLog
let reads: Pool
const feeds: Feed[] = []

beforeAll(async () => {
  log = await openLog()
  reads = createPool(log.url, { max: 8 })
})

afterEach(async () => {
  await Promise.all(feeds.splice(0).map((feed) => feed.close()))
})

afterAll(async () => {
  await reads.end()
  await log.close()
})

function openFeed(stalledMs?: number): Feed {
  const feed = new Feed({ reads, ...(stalledMs === undefined ? {} : { stalledMs }) })
  feeds.push(feed)
  feed.start()
  return feed
}

/** What everybody else has committed is certain: then only this test is in the way. */
async function caughtUp(feed: Feed): Promise<void> {
  await until(() => feed.caughtUp(5_000))
}

/** Collects until it has so many events. */
async function take(
  feed: Feed,
  options: {
    after: number
    count: number
    filter?: FeedFilter
    bufferMax?: number
    signal?: AbortSignal
  },
): Promise<Read[]> {
  const { signal } = new AbortController()
  const seen: Read[] = []
  for await (const { events } of feed.follow({ tenantId, signal, ...options })) {
    seen.push(...events.map(({ position, streamId, version }) => ({ position, streamId, version })))
    if (seen.length >= options.count) break
  }
  return seen
}

describe('racing writers, raw and real, with pauses and rollbacks', () => {
  it('the feed misses, doubles and inverts nothing, killed readers included; other readers do', async () => {
    const feed = openFeed()
    const result = await race(log, feed, { writers: 12, transactions: 1_000, units: 1_000 })
    expect(result.events).toBeGreaterThan(2_000)
    expect(result.naive.missed).toBeGreaterThan(0)
    expect(result.xidOrder.inverted).toBeGreaterThan(0)
    expect(result.steady).toEqual(NONE)
    expect(result.killed).toEqual(NONE)
    expect(result.kills).toBeGreaterThan(5)
  })

  it('positions rise with the versions of every stream', async () => {
    const writers = [log.openWriter(), log.openWriter(), log.openWriter()]
    const blocks = await Promise.all(writers.map((writer) => log.createBlock(writer)))
    await Promise.all(
      Array.from({ length: 300 }, (_, i) =>
        writers[i % 3]?.submit(insertion(blocks[(i >> 1) % 3] as string, 'x')),
      ),
    )
    const versions = new Map<string, number>()
    for (const { streamId, version } of await wholeLog(reads)) {
      expect(version).toBe((versions.get(streamId) ?? 0) + 1)
      versions.set(streamId, version)
    }
  })
})

describe('a reader', () => {
  it('gets what is committed while it stands at the head, and only what its filter lets through', async () => {
    const feed = openFeed()
    const writer = log.openWriter()
    const [mine, other] = [await log.createBlock(writer), await log.createBlock(writer)]
    await caughtUp(feed)
    const after = feed.head
    const seen = take(feed, {
      after,
      count: 3,
      filter: { streamId: mine, types: ['TextInserted'] },
    })
    for (let i = 0; i < 3; i++) {
      await writer.submit(insertion(other, 'x'))
      await writer.submit(insertion(mine, 'x'))
    }
    expect((await seen).map(({ streamId, version }) => [streamId, version])).toEqual(
      [2, 3, 4].map((version) => [mine, version]),
    )
  })

  it('that does not keep up goes on from the log, with no more kept for it than its buffer', async () => {
    const feed = openFeed()
    const writer = log.openWriter()
    const blockId = await log.createBlock(writer)
    await caughtUp(feed)
    const after = feed.head
    let overflows = 0
    const signal = new AbortController().signal
    const options = { tenantId, after, signal, bufferMax: 5, onOverflow: () => overflows++ }
    const seen: Batch['events'][number][] = []
    for await (const { events } of feed.follow({ ...options, windowMax: 5, idleMs: 1 })) {
      expect(events.length).toBeLessThanOrEqual(5)
      seen.push(...events)
      if (overflows > 0 && seen.length === 60) break
      if (seen.length > 0 || overflows > 0) continue
      // It stands at the head now, and is busy while these come.
      await Promise.all(Array.from({ length: 60 }, () => writer.submit(insertion(blockId, 'x'))))
      await caughtUp(feed)
    }
    expect(seen.map(({ version }) => version)).toEqual(Array.from({ length: 60 }, (_, i) => i + 2))
  })

  it('goes on where it was when the connection of the poller is cut', async () => {
    const feed = openFeed()
    const writer = log.openWriter()
    const blockId = await log.createBlock(writer)
    await caughtUp(feed)
    const after = feed.head
    const seen = take(feed, { after, count: 20 })
    const { client } = await RawWriter.open(log.url)
    for (let i = 0; i < 20; i++) {
      await writer.submit(insertion(blockId, 'x'))
      if (i === 5) await until(async () => (await client.query(CUT_POLLER)).rowCount === 1)
    }
    expect((await seen).map(({ version }) => version)).toEqual(
      Array.from({ length: 20 }, (_, i) => i + 2),
    )
    await client.end()
  })
})

describe('a feed that nobody is in a hurry for', () => {
  it('looks no more often than it is told, however many hints come; control: another does', async () => {
    const opened = [undefined, 100].map((breathMs) => {
      const pool = createPool(log.url, { max: 2 })
      const looks = countQueries(pool, 'from events_position')
      const feed = new Feed({ reads: pool, ...(breathMs ? { breathMs } : {}) })
      feed.start()
      const stop = new AbortController()
      const followed = take(feed, {
        after: 0,
        count: Number.POSITIVE_INFINITY,
        signal: stop.signal,
      })
      return { pool, looks, feed, stop, followed }
    })
    const hints = setInterval(() => {
      for (const { feed } of opened) feed.wake()
    }, 1)
    const looks = (): number[] => opened.map((one) => one.looks())
    await until(() => (looks()[0] as number) > 50 && (looks()[1] as number) > 1)
    clearInterval(hints)
    const [usual, calm] = looks() as [number, number]
    expect(calm).toBeLessThan(usual / 3)
    for (const { pool, feed, stop, followed } of opened) {
      stop.abort()
      await feed.close()
      await followed
      await pool.end()
    }
  })
})

describe('a long idle transaction', () => {
  it('that has written an event delays whoever reads, and nothing is skipped', async () => {
    const feed = openFeed(0)
    const writer = log.openWriter()
    const blockId = await log.createBlock(writer)
    const [stream] = await rawStreams(reads, 1)
    const idle = await RawWriter.open(log.url)
    await caughtUp(feed)
    const after = feed.head
    await idle.begin()
    const held = await idle.write(stream as string)
    await writer.submit(insertion(blockId, 'x'))
    expect(await feed.caughtUp(100)).toBe(false)
    expect(feed.head).toBeLessThan(held)
    expect((await feed.read(tenantId, after, 10)).events).toEqual([])
    expect(feed.lag.feedLagMs).toBeGreaterThan(0)
    expect(feed.lag.blockingPid).toEqual(expect.any(Number))
    await idle.commit()
    const seen = await take(feed, { after, count: 2 })
    expect(seen.map(({ streamId }) => streamId)).toEqual([stream, blockId])
    await idle.close()
  })

  it('that writes elsewhere is passed', async () => {
    const feed = openFeed(0)
    const writer = log.openWriter()
    const blockId = await log.createBlock(writer)
    const idle = await RawWriter.open(log.url)
    await idle.begin()
    await idle.client.query('select pg_current_xact_id()')
    await caughtUp(feed)
    const after = feed.head
    await writer.submit(insertion(blockId, 'x'))
    expect(await take(feed, { after, count: 1 })).toMatchObject([{ streamId: blockId, version: 2 }])
    await idle.close()
  })
})

describe('an event', () => {
  it('read piece by piece is the one that stands in the log', async () => {
    const feed = openFeed()
    const writer = log.openWriter()
    const blockId = await log.createBlock(writer)
    await caughtUp(feed)
    const signal = new AbortController().signal
    const followed = feed.follow({ tenantId, after: feed.head, signal })
    const first = followed.next()
    await writer.submit(insertion(blockId, 'naïve “words” \u{1f98a} \n\\'))
    const event = (await first).value?.events[0]
    await followed.return()
    const { rows } = await reads.query('select * from events where position = $1', [
      event?.position,
    ])
    const [row] = rows
    expect(event?.payload).toEqual(row.payload)
    expect(event?.payload).toBe(event?.payload)
    expect(event?.hash).toEqual(row.hash)
    expect(event).toMatchObject({
      tenantId,
      streamId: blockId,
      version: row.version,
      type: row.type,
      actor: row.actor,
      commandId: row.command_id,
      correlation: row.correlation,
      baseVersion: row.base_version,
      recordedAt: row.recorded_at.toISOString(),
      turnOf: null,
    })
  })
})

describe('pages', () => {
  it('visit every event once whatever their length, filtered as a live reader is', async () => {
    const feed = openFeed()
    await caughtUp(feed)
    const whole = await wholeLog(reads)
    const [{ streamId }] = whole.slice(-1) as [Read]
    for (const [filter, expected] of [
      [{}, whole],
      [{ streamId }, whole.filter((event) => event.streamId === streamId)],
      [{ types: ['BlockCreated'] }, null],
    ] as const) {
      const visit = async (limit: number): Promise<number[]> => {
        const positions: number[] = []
        for (let after = 0, more = true; more; ) {
          const page = await feed.read(tenantId, after, limit, filter)
          expect(page.events.length).toBeLessThanOrEqual(limit)
          positions.push(...page.events.map(({ position }) => position))
          after = page.position
          more = page.hasMore
        }
        return positions
      }
      const positions = await visit(97)
      expect(await visit(1_000)).toEqual(positions)
      if (expected) expect(positions).toEqual(expected.map(({ position }) => position))
      const live = await take(feed, { after: 0, count: positions.length, filter })
      expect(live.map(({ position }) => position)).toEqual(positions)
    }
  })

  it('know a position that this log has not come to', async () => {
    const feed = openFeed()
    await caughtUp(feed)
    expect(await feed.holds(feed.head)).toBe(true)
    expect(await feed.holds(feed.head + 1_000_000)).toBe(false)
  })
})
