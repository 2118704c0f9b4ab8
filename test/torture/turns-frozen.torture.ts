import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from '@jest/globals'
import { seeded, tortureSeed } from '../support/seeded.js'
import { type FleetOptions, openTurnFleet } from '../support/turn-fleet.js'
import { freezeWorkers } from '../support/worker-freezes.js'

/** `TURNS_FREEZES=100` is the long run. */
const FREEZES = Number(process.env.TURNS_FREEZES ?? 12)
const AT_ONCE = 2
const redisUrl = process.env.PALIMPSEST_TEST_REDIS_URL
const seed = tortureSeed()

const fleet = (more: Partial<FleetOptions> = {}): FleetOptions => ({
  random: seeded(seed),
  workers: 4,
  turnsOfWorker: 128,
  agents: Number(process.env.TURNS_IN_FLIGHT ?? 60),
  turnsEach: 4,
  modelMs: [500, 2_000],
  redisUrl,
  ownServer: true,
  ...more,
})

describe(`workers frozen with SIGSTOP past their leases, TORTURE_SEED=${seed}`, () => {
  it(
    `${FREEZES} times, then let go on: none of their late writes is accepted`,
    async () => {
      const opened = await openTurnFleet(fleet())
      const { load } = opened
      try {
        await load.start()
        const random = seeded(seed + 1)
        const once = { freezes: AT_ONCE, atOnce: AT_ONCE, random, realLease: true }
        const first = await freezeWorkers(opened, once)
        const rest = await freezeWorkers(opened, {
          freezes: FREEZES - AT_ONCE,
          atOnce: AT_ONCE,
          random,
        })
        await load.finish(60_000)
        const takenOver = first.takenOver + rest.takenOver
        console.log(JSON.stringify({ seed, ...rest, freezes: FREEZES, takenOver, ...load.told }))
        expect(load.faults).toEqual([])
        expect(load.told.staleWrites).toBe(0)
        expect(rest.fenced).toBeGreaterThan(0)
      } finally {
        await opened.close()
      }
    },
    (300 + FREEZES * 30) * 1_000,
  )

  it('control: without the fence late writes are accepted', async () => {
    const opened = await openTurnFleet(fleet({ lacks: ['fence'] }))
    const { load } = opened
    try {
      await load.start()
      await freezeWorkers(opened, { freezes: 4, atOnce: AT_ONCE, random: seeded(seed + 1) })
      await pause(2_000)
      await load.finish(30_000)
      expect(load.told.staleWrites).toBeGreaterThan(0)
    } finally {
      await opened.close()
    }
  }, 180_000)
})
