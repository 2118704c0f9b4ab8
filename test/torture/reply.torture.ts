import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Pool } from 'pg'
import { createPool } from '#postgres/database.js'
import { type CuttingProxy, startCuttingProxy } from '../support/cutting-proxy.js'
import { rawStreams } from '../support/feed-load.js'
import { Ledger, NO_DIFFERENCES } from '../support/ledger.js'
import { openLog, type TestLog } from '../support/log.js'
import { NaiveClient } from '../support/naive-append.js'
import { pick, tortureSeed, withSeed } from '../support/seeded.js'
import { type Habit, WriteLoad } from '../support/write-load.js'
import { WriterHost } from '../support/writer-host.js'

/** Replies to commits that are lost, in each arm; REPLY_CUTS=2000 is the long run. */
const CUTS = Number(process.env['REPLY_CUTS'] ?? 300)
const CONTROL_CUTS = Math.min(CUTS, 200)
/** A transaction of the side lane has many requests: with a larger chance none would get through. */
const CHANCES = { replies: 0.15, requests: 0.005 }
/** Share of the units with an id that are sent to two writers at once. */
const IMPATIENCE = 0.1
const HOSTS = 2
const CLIENTS = 24
const NAIVE_CLIENTS = 8
const STREAMS = 16
const SEED = tortureSeed()
const MS_MAX = 60_000 + CUTS * 500

describe(`${CUTS} lost replies to commits, and requests lost on their way`, () => {
  let log: TestLog
  let reads: Pool
  let proxy: CuttingProxy
  let hosts: WriterHost[] = []

  beforeEach(async () => {
    log = await openLog()
    reads = createPool(log.url, { max: 2 })
    proxy = await startCuttingProxy(log.url)
  })

  afterEach(async () => {
    for (const host of hosts.splice(0)) host.die()
    await proxy.close()
    await reads.end()
    await log.close()
  })

  it.each<[string, Habit]>([
    ['under callers’ ids', 'ids'],
    ['without any id', 'no ids'],
  ])(
    '%s: nothing is lost, nothing is written twice, and everybody gets an answer',
    (arm, habit) =>
      withSeed(SEED, async (random) => {
        hosts = Array.from({ length: HOSTS }, () => new WriterHost(proxy.url, log.url))
        const ledger = new Ledger()
        const anyOf = async () => hosts[pick(random, HOSTS)] as WriterHost
        const there = { pick: anyOf, back: async () => {} }
        const options = { random, clients: CLIENTS, habit, impatience: IMPATIENCE }
        const load = new WriteLoad(ledger, there, options)
        await load.start()
        proxy.atRandom({ random, ...CHANCES })
        await load.until(() => proxy.cuts >= CUTS)
        await load.stop()
        await Promise.all(hosts.map((host) => host.close()))
        const { acknowledged, retried, unknown } = ledger
        const { cuts, requestCuts } = proxy
        console.log(JSON.stringify({ arm, cuts, requestCuts, acknowledged, retried, unknown }))
        expect(await ledger.compare(reads)).toEqual(NO_DIFFERENCES)
        expect(unknown).toBe(0)
      }),
    MS_MAX,
  )

  it(
    'control: a client that just tries again writes twice',
    () =>
      withSeed(SEED, async (random) => {
        const ledger = new Ledger()
        const streams = await rawStreams(log.reads, STREAMS)
        proxy.atRandom({ random, ...CHANCES })
        let count = 0
        const client = async (): Promise<void> => {
          const naive = new NaiveClient(proxy.url, ledger)
          while (proxy.cuts < CONTROL_CUTS) {
            await naive.append(
              streams[pick(random, STREAMS)] as string,
              `${random.seed}/${count++}`,
            )
          }
          await naive.close()
        }
        await Promise.all(Array.from({ length: NAIVE_CLIENTS }, client))
        const found = await ledger.compare(reads, { chained: false })
        const { acknowledged, retried } = ledger
        console.log(JSON.stringify({ cuts: proxy.cuts, acknowledged, retried, ...found }))
        expect(found.doubled).toBeGreaterThan(0)
        expect({ ...found, doubled: 0 }).toEqual(NO_DIFFERENCES)
      }),
    MS_MAX,
  )
})
