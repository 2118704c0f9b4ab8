import { describe, expect, it } from '@jest/globals'
import { overlappingTurns, rethinkRaces } from '../support/overlaps.js'
import { tortureSeed, withSeed } from '../support/seeded.js'

/** OVERLAP_INSERTS=100 and OVERLAP_TURN_MS=2000 are the long run: two minutes of overlapping turns. */
const AGENTS = Number(process.env['OVERLAP_AGENTS'] ?? 64)
const INSERTS = Number(process.env['OVERLAP_INSERTS'] ?? 10)
const TURN_MS_MAX = Number(process.env['OVERLAP_TURN_MS'] ?? 500)
/** OVERLAP_RACES=10000 is the long run. */
const RACES = Number(process.env['OVERLAP_RACES'] ?? 1_000)
/** Of what a service keeps that writes back what its agents have read. */
const KEPT_SHARE_MAX = 0.1
const SEED = tortureSeed()
const MS_MAX = 120_000 + INSERTS * TURN_MS_MAX * 2 + RACES * 50

describe(`${AGENTS} agents, ${INSERTS} turns each of up to ${TURN_MS_MAX} ms, on one block`, () => {
  const turns = { agents: AGENTS, inserts: INSERTS, turnMsMax: TURN_MS_MAX }

  it(
    'insert: every line is there, and nobody is refused',
    () =>
      withSeed(SEED, async (random) => {
        const found = await overlappingTurns({ ...turns, random, habit: 'insert' })
        console.log(JSON.stringify({ arm: 'insert', ...found }))
        expect(found).toEqual({ present: AGENTS * INSERTS, rejected: 0 })
      }),
    MS_MAX,
  )

  it(
    'control: writing back what was read keeps less than a tenth',
    () =>
      withSeed(SEED, async (random) => {
        const found = await overlappingTurns({ ...turns, random, habit: 'snapshot' })
        console.log(JSON.stringify({ arm: 'snapshot', ...found }))
        expect(found.present).toBeLessThan(AGENTS * INSERTS * KEPT_SHARE_MAX)
      }),
    MS_MAX,
  )
})

describe(`${RACES} races of writers that have read the same version`, () => {
  it(
    'lose nothing in silence: what is overwritten is named, and can be read again',
    () =>
      withSeed(SEED, async (random) => {
        const found = await rethinkRaces({ random, races: RACES, tells: true })
        console.log(JSON.stringify({ arm: 'told', ...found }))
        expect(found).toMatchObject({ silent: 0, unrecoverable: 0 })
      }),
    MS_MAX,
  )

  it(
    'control: the last writer wins, and nobody is told',
    () =>
      withSeed(SEED, async (random) => {
        const found = await rethinkRaces({ random, races: Math.ceil(RACES / 5), tells: false })
        console.log(JSON.stringify({ arm: 'blind', ...found }))
        expect(found.silent).toBeGreaterThan(0)
      }),
    MS_MAX,
  )
})
