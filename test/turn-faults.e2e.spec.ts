import { afterEach, describe, expect, it } from '@jest/globals'
import { seeded, tortureSeed } from './support/seeded.js'
import { killServer } from './support/server-kills.js'
import { type FleetOptions, openTurnFleet, type TurnFleet } from './support/turn-fleet.js'
import { busy } from './support/turns-moving.js'
import { freezeWorkers } from './support/worker-freezes.js'
import { killWorkers } from './support/worker-kills.js'

/** The short form of `npm run torture -- turns`. */
const seed = tortureSeed()
const redisUrl = process.env.PALIMPSEST_TEST_REDIS_URL

let fleet: TurnFleet

afterEach(() => fleet.close())

async function open(more: Partial<FleetOptions>): Promise<TurnFleet> {
  fleet = await openTurnFleet({
    random: seeded(seed),
    workers: 2,
    turnsOfWorker: 32,
    agents: 8,
    turnsEach: 2,
    modelMs: [100, 400],
    redisUrl,
    ...more,
  })
  return fleet
}

describe(`a worker, TORTURE_SEED=${seed}`, () => {
  it('killed with SIGKILL after each commit of a turn: the turn ends once, nothing recorded is asked again, its edit stands once', async () => {
    const { load, crew } = await open({
      workers: 0,
      agents: 1,
      turnsEach: 1,
      modelMs: [0, 0],
      searchShare: 0,
    })
    await load.start()
    // Started, answered, inserted. Who takes it up first commits that it has.
    for (const killAfter of [1, 2, 2]) await crew.hireMortal(killAfter)
    await crew.hire(1)
    await load.finish(30_000)
    expect(load.faults).toEqual([])
    expect(load.told).toMatchObject({
      turns: 1,
      deadLettered: 0,
      blockEvents: 1,
      repeatedInFlight: 0,
    })
  }, 120_000)

  it('killed at random or frozen past its lease: every turn ends once, its edits stand once and in order, nothing stale is written', async () => {
    const opened = await open({})
    const { load } = opened
    await load.start()
    const random = seeded(seed + 1)
    const { orphans } = await killWorkers(opened, { kills: 1, random })
    const { takenOver } = await freezeWorkers(opened, { freezes: 1, atOnce: 1, random })
    await load.finish(60_000)
    expect(load.faults).toEqual([])
    expect(orphans).toBeGreaterThan(0)
    expect(takenOver).toBeGreaterThan(0)
  }, 120_000)

  it('whose Postgres is killed with SIGKILL under it goes on after its restart: every turn ends once, its edits stand once and in order', async () => {
    const opened = await open({ ownServer: true, turnsEach: 3 })
    const { load } = opened
    await load.start()
    await busy(load, 4)
    await killServer(opened)
    await load.finish(60_000)
    expect(load.faults).toEqual([])
    expect(load.told.deadLettered).toBe(0)
  }, 120_000)
})
