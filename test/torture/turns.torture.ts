import { describe, expect, it } from '@jest/globals'
import { seeded, tortureSeed } from '../support/seeded.js'
import { type FleetOptions, openTurnFleet } from '../support/turn-fleet.js'
import { killWorkers, percentile } from '../support/worker-kills.js'

/** `TURNS_KILLS=500` is the long run. */
const KILLS = Number(process.env.TURNS_KILLS ?? 25)
const IN_FLIGHT = Number(process.env.TURNS_IN_FLIGHT ?? 500)
const WORKERS = Number(process.env.TURNS_WORKERS ?? 12)
/**
 * A model call or a search takes so long: two cores have to carry the turns in flight, not to end them at once. Less
 * than the minute after which a worker gives a call up.
 */
const MODEL_MS = [20_000, 45_000] as const
/** Agents with something to do to turns in flight at the least. */
const AGENTS_SHARE = 1.1
/** Places to agents: as in earnest there are some to spare, so that no share of a dead worker's turns lacks them. */
const PLACES_SHARE = 2
const RECOVERED_MS = 1_000
const redisUrl =
  process.env.TURNS_QUEUE === 'postgres' ? undefined : process.env.PALIMPSEST_TEST_REDIS_URL
const seed = tortureSeed()

const fleet = (more: Partial<FleetOptions> = {}): FleetOptions => ({
  random: seeded(seed),
  workers: WORKERS,
  turnsOfWorker: Math.ceil((IN_FLIGHT * AGENTS_SHARE * PLACES_SHARE) / WORKERS),
  agents: Math.round(IN_FLIGHT * AGENTS_SHARE),
  turnsEach: 4,
  modelMs: MODEL_MS,
  redisUrl,
  ownServer: true,
  ...more,
})

describe(`workers killed with SIGKILL at random, TORTURE_SEED=${seed}`, () => {
  it(
    `${KILLS} times: every turn ends once, no edit is lost, doubled or out of order, nothing recorded is asked again`,
    async () => {
      const { load, close, ...crew } = await openTurnFleet(fleet())
      try {
        const begun = performance.now()
        await load.start()
        const random = seeded(seed + 1)
        const kills = await killWorkers({ load, close, ...crew }, { kills: KILLS, random })
        await load.finish(900_000)
        const seconds = (performance.now() - begun) / 1000
        const { recoveryMs } = kills
        const figures = {
          kills: kills.kills,
          inFlightMin: kills.inFlightMin,
          orphans: kills.orphans,
          ...load.told,
          turnsPerSecond: Math.round(load.told.turns / seconds),
          recoveryMs: [0, 0.1, 0.5, 0.9, 0.99, 1].map((share) =>
            Math.round(percentile(recoveryMs, share)),
          ),
        }
        console.log(JSON.stringify({ seed, faults: load.faults.length, ...figures }))
        expect(load.faults).toEqual([])
        expect(kills.inFlightMin).toBeGreaterThanOrEqual(IN_FLIGHT)
        expect(percentile(recoveryMs, 0.99)).toBeLessThanOrEqual(RECOVERED_MS)
      } finally {
        await close()
      }
    },
    (1_200 + KILLS * 30) * 1_000,
  )

  it('control: without the liveness lock the turns wait for the lease', async () => {
    const modelMs = [1_000, 3_000] as const
    const few = { agents: 40, turnsEach: 2, workers: 2, modelMs, lacks: ['liveness'] } as const
    const opened = await openTurnFleet(fleet(few))
    try {
      await opened.load.start()
      const { recoveryMs } = await killWorkers(opened, { kills: 1, random: seeded(seed) })
      await opened.load.finish(60_000)
      expect(opened.load.faults).toEqual([])
      expect(percentile(recoveryMs, 0.5)).toBeGreaterThan(RECOVERED_MS)
    } finally {
      await opened.close()
    }
  }, 120_000)
})
