import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, describe, expect, it } from '@jest/globals'
import { seeded, tortureSeed } from '../support/seeded.js'
import { killServer } from '../support/server-kills.js'
import { openTurnFleet, type TurnFleet } from '../support/turn-fleet.js'
import { allMoving, busy } from '../support/turns-moving.js'

/** `TURNS_POSTGRES_KILLS=50` is the long run. */
const KILLS = Number(process.env.TURNS_POSTGRES_KILLS ?? 5)
const IN_FLIGHT = Number(process.env.TURNS_IN_FLIGHT ?? 100)
const MOVING_WITHIN_MS = 6_000
/** Between the return of all turns and the next kill, and how long the server is away, at most. */
const PAUSE_MS_MAX = 2_000
const AWAY_MS_MAX = 2_000
const seed = tortureSeed()
const redisUrl = process.env.PALIMPSEST_TEST_REDIS_URL

let opened: TurnFleet

afterEach(() => opened.close())

describe(`Postgres under ${IN_FLIGHT} turns, TORTURE_SEED=${seed}`, () => {
  it.each([
    ['Redis', redisUrl],
    ['Postgres', undefined],
  ])(
    'killed with SIGKILL, queue on %s: every turn ends once, no edit is lost, doubled or out of order, and all move again within 6 s',
    async (queue, url) => {
      const random = seeded(seed)
      opened = await openTurnFleet({
        random,
        workers: 3,
        turnsOfWorker: 128,
        agents: Math.round(IN_FLIGHT * 1.3),
        turnsEach: 8,
        modelMs: [500, 2_000],
        redisUrl: url,
        ownServer: true,
      })
      const { load, sql } = opened
      await load.start()
      let movingMs = 0
      for (let kill = 0; kill < KILLS; kill++) {
        await busy(load, IN_FLIGHT)
        await pause(random() * PAUSE_MS_MAX)
        await killServer(opened, random() * AWAY_MS_MAX)
        const took = await allMoving(sql)
        movingMs = Math.max(movingMs, took)
        process.stderr.write(`kill ${kill + 1} of ${KILLS}: all move again after ${took} ms\n`)
      }
      await load.finish(120_000)
      console.log(JSON.stringify({ seed, queue, kills: KILLS, movingMs, ...load.told }))
      expect(load.faults).toEqual([])
      expect(movingMs).toBeLessThanOrEqual(MOVING_WITHIN_MS)
    },
    240_000 + KILLS * 60_000,
  )

  it('control: without the sweeper turns are lost', async () => {
    opened = await openTurnFleet({
      random: seeded(seed),
      workers: 2,
      turnsOfWorker: 4,
      agents: 40,
      turnsEach: 8,
      modelMs: [500, 2_000],
      ownServer: true,
      lacks: ['sweeper'],
    })
    const { load } = opened
    await load.start()
    await busy(load, 4)
    await killServer(opened)
    await load.finish(20_000)
    expect(load.faults.some((fault) => fault.includes('have not ended'))).toBe(true)
  }, 120_000)
})
