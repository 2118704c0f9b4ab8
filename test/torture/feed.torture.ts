import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Pool } from 'pg'
import { Feed } from '#event-store/feed.js'
import { createPool } from '#postgres/database.js'
import { race } from '../support/feed-race.js'
import { openLog, type TestLog } from '../support/log.js'

/** FEED_EVENTS=1000000 is the long run; about half of the events are the raw writers'. */
const EVENTS = Number(process.env['FEED_EVENTS'] ?? 40_000)
/** An average transaction writes 1.9 events, a tenth is rolled back, and the killed ones are lost. */
const EVENTS_PER_TRANSACTION = 1.3
const NONE = { missed: 0, doubled: 0, inverted: 0 }

let log: TestLog
let reads: Pool

beforeAll(async () => {
  log = await openLog()
  reads = createPool(log.url, { max: 8 })
})

afterAll(async () => {
  await reads.end()
  await log.close()
})

describe('24 racing writers, a tenth rolled back, with pauses, sessions of writers and poller killed', () => {
  it(
    `the feed misses, doubles and inverts nothing in ${EVENTS} events`,
    async () => {
      const feed = new Feed({ reads })
      feed.start()
      const transactions = Math.round(EVENTS / 2 / EVENTS_PER_TRANSACTION)
      const load = { writers: 24, transactions, units: EVENTS / 2, killEveryMs: 100 }
      const result = await race(log, feed, load)
      await feed.close()
      console.log(JSON.stringify(result))
      expect(result.naive.missed / result.events).toBeGreaterThan(0)
      expect(result.xidOrder.inverted).toBeGreaterThan(0)
      expect(result.steady).toEqual(NONE)
      expect(result.killed).toEqual(NONE)
      expect(result.events).toBeGreaterThan(EVENTS * 0.8)
    },
    60_000 + EVENTS * 2,
  )
})
