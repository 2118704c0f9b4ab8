import { describe, expect, it } from '@jest/globals'
import { overlappingTurns, rethinkRaces } from './support/overlaps.js'
import { tortureSeed, withSeed } from './support/seeded.js'

const SEED = tortureSeed()
const TURNS = { agents: 32, inserts: 5, turnMsMax: 100 }
const LINES = TURNS.agents * TURNS.inserts

describe('agents whose turns overlap', () => {
  it('keep every line they insert, and none is refused', () =>
    withSeed(SEED, async (random) => {
      const found = await overlappingTurns({ ...TURNS, random, habit: 'insert' })
      expect(found).toEqual({ present: LINES, rejected: 0 })
    }))

  it('control: that write back what they have read keep less than a quarter', () =>
    withSeed(SEED, async (random) => {
      const found = await overlappingTurns({ ...TURNS, random, habit: 'snapshot' })
      expect(found.present).toBeLessThan(LINES / 4)
    }))
})

describe('writers that race to rethink what they have read', () => {
  it('lose nothing in silence: what is overwritten is named, and can be read again', () =>
    withSeed(SEED, async (random) => {
      const found = await rethinkRaces({ random, races: 200, tells: true })
      expect(found).toMatchObject({ silent: 0, unrecoverable: 0 })
      expect(found.rethinks).toBeGreaterThan(200)
      expect(found.refused).toBeGreaterThan(0)
    }))

  it('control: the last one wins, and nobody is told', () =>
    withSeed(SEED, async (random) => {
      expect((await rethinkRaces({ random, races: 50, tells: false })).silent).toBeGreaterThan(0)
    }))
})
