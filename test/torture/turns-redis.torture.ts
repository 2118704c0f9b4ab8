import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { MortalRedis } from '../support/mortal-redis.js'
import { seeded, tortureSeed } from '../support/seeded.js'
import { type FleetOptions, openTurnFleet, type TurnFleet } from '../support/turn-fleet.js'
import { allMoving, busy } from '../support/turns-moving.js'

/** `TURNS_REDIS_ROUNDS=20` is the long run: eighty faults. */
const ROUNDS = Number(process.env.TURNS_REDIS_ROUNDS ?? 1)
const IN_FLIGHT = Number(process.env.TURNS_IN_FLIGHT ?? 100)
const MOVING_WITHIN_MS = 6_000
const HOLE_MS = 10_000
const DEAD_MS = 1_000
const seed = tortureSeed()

let redis: MortalRedis
let opened: TurnFleet

beforeEach(async () => {
  redis = await MortalRedis.start()
})

afterEach(async () => {
  await opened.close()
  await redis.close()
})

const fleet = (more: Partial<FleetOptions> = {}): FleetOptions => ({
  random: seeded(seed),
  workers: 2,
  turnsOfWorker: 256,
  agents: Math.round(IN_FLIGHT * 1.3),
  turnsEach: 8,
  // A turn that moves commits in time, and two cores have more to do than to begin and end turns.
  modelMs: [1_000, 3_000],
  redisUrl: redis.url,
  ownServer: true,
  ...more,
})

const FAULTS: readonly (readonly [name: string, strike: () => Promise<void>])[] = [
  ['FLUSHALL', () => redis.flushAll()],
  [
    'kill -9 and a start with nothing left',
    async () => {
      await redis.kill()
      await pause(DEAD_MS)
      await redis.restart()
    },
  ],
  [
    'a black hole for 10 s that then lets everything through',
    async () => {
      redis.swallow()
      await pause(HOLE_MS)
      redis.letThrough(true)
    },
  ],
  [
    'a black hole for 10 s that has then forgotten every connection',
    async () => {
      redis.swallow()
      await pause(HOLE_MS)
      redis.letThrough(false)
    },
  ],
]

describe(`Redis under ${IN_FLIGHT} turns, TORTURE_SEED=${seed}`, () => {
  it(
    'flushed, killed or unreachable: no accepted turn is lost, and all move again within 6 s of its return',
    async () => {
      opened = await openTurnFleet(fleet())
      const { load, sql } = opened
      await load.start()
      const movingMs: Record<string, number> = {}
      for (let round = 0; round < ROUNDS; round++) {
        for (const [name, strike] of FAULTS) {
          await busy(load, IN_FLIGHT)
          await strike()
          const took = await allMoving(sql)
          movingMs[name] = Math.max(movingMs[name] ?? 0, took)
        }
        process.stderr.write(`round ${round + 1} of ${ROUNDS}: ${JSON.stringify(movingMs)}\n`)
      }
      await load.finish(60_000)
      console.log(JSON.stringify({ seed, rounds: ROUNDS, movingMs, ...load.told }))
      expect(load.faults).toEqual([])
      for (const took of Object.values(movingMs)) expect(took).toBeLessThanOrEqual(MOVING_WITHIN_MS)
    },
    120_000 + ROUNDS * 120_000,
  )

  it('control: without the sweeper turns are lost', async () => {
    opened = await openTurnFleet(fleet({ turnsOfWorker: 4, agents: 40, lacks: ['sweeper'] }))
    const { load } = opened
    await load.start()
    await busy(load, 4)
    await redis.flushAll()
    await load.finish(20_000)
    expect(load.faults.filter((fault) => fault.includes('have not ended')).length).toBeGreaterThan(
      0,
    )
  }, 120_000)
})
