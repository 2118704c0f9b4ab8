import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { tortureSeed, withSeed } from '../support/seeded.js'
import { cutAtRandom, openTwoNodes, readSlowly, waitTogether } from '../support/stream-load.js'

/** STREAM_CUTS=1000 and STREAM_WAITERS=5000 are the long run. */
const CUTS = Number(process.env['STREAM_CUTS'] ?? 200)
const WAITERS = Number(process.env['STREAM_WAITERS'] ?? 1_000)
const TURNS = 25
const CONNECTIONS_MAX = 100
const SEED = tortureSeed()
const MS_MAX = 60_000 + CUTS * 500 + WAITERS * 40

let nodes: Awaited<ReturnType<typeof openTwoNodes>>

beforeAll(async () => {
  nodes = await openTwoNodes()
})

afterAll(async () => {
  await nodes.close()
})

describe(`${CUTS} cuts of readers of turns, at random, on two nodes`, () => {
  it(
    'no chunk is missing, and none comes twice',
    () =>
      withSeed(SEED, async (random) => {
        const { stage, urls } = nodes
        const found = await cutAtRandom(stage, urls, CUTS, random, (chunks) => {
          const last = chunks.at(-1)
          return last ? { starting_after: last.seq_id } : {}
        })
        console.log(JSON.stringify({ arm: 'seq_id', ...found }))
        expect(found).toMatchObject({ cuts: CUTS, gaps: 0, duplicates: 0 })
      }),
    MS_MAX,
  )

  it(
    'control: who begins again at the begin is told things twice',
    () =>
      withSeed(SEED, async (random) => {
        const { stage, urls } = nodes
        const found = await cutAtRandom(stage, urls, Math.ceil(CUTS / 10), random, () => ({}))
        console.log(JSON.stringify({ arm: 'from the begin', ...found }))
        expect(found.duplicates).toBeGreaterThan(0)
      }),
    MS_MAX,
  )
})

describe('a reader of a run that takes less than there is', () => {
  it(
    'is told where it stands and cut, and goes on from there',
    async () => {
      const { last, seen, next } = await readSlowly(nodes.stage, nodes.urls)
      expect(last).toMatchObject({ event: 'lagged', data: { cursor: String(seen) } })
      expect(next).toBe(seen + 1)
    },
    MS_MAX,
  )
})

describe(`${WAITERS} clients that wait for ${TURNS} turns at one node`, () => {
  it(
    'are all answered, with no connection to the database for each',
    async () => {
      const found = await waitTogether(nodes.stage, nodes.urls[0] as string, WAITERS, TURNS)
      console.log(JSON.stringify(found))
      expect(found.answered).toBe(WAITERS)
      expect(found.connections).toBeLessThan(CONNECTIONS_MAX)
    },
    MS_MAX,
  )
})
