import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Pool } from 'pg'
import { createPool } from '#postgres/database.js'
import { type EmbeddedServer, openEmbeddedServer } from '../support/embedded-server.js'
import { killRound } from '../support/kill-round.js'
import { Ledger, NO_DIFFERENCES } from '../support/ledger.js'
import { tortureSeed, withSeed } from '../support/seeded.js'

/** POSTGRES_ROUNDS=50 is the long run. */
const ROUNDS = Number(process.env['POSTGRES_ROUNDS'] ?? 10)
const CONTROL_ROUNDS = Math.max(5, Math.round(ROUNDS / 5))
const ROUND_MS_MAX = 60_000
const TWICE_SHARE = 0.3
const SEED = tortureSeed()

describe(`Postgres killed with SIGKILL under load, ${ROUNDS} rounds`, () => {
  let server: EmbeddedServer
  let reads: Pool
  const ledger = new Ledger()
  let kills = 0

  beforeAll(async () => {
    server = await openEmbeddedServer()
    reads = createPool(server.url, { max: 2 })
  })

  afterAll(async () => {
    const { acknowledged, retried, unknown } = ledger
    console.log(JSON.stringify({ kills, acknowledged, retried, unknown }))
    await reads.end()
    await server.close()
  })

  it.each(Array.from({ length: ROUNDS }, (_, round) => round))(
    'round %#: everything acknowledged is there once, also from the rounds before',
    (round) =>
      withSeed(SEED + round, async (random) => {
        const plan = { habit: 'mixed', writersDie: random() < 0.5 } as const
        const times = random() < TWICE_SHARE ? 2 : 1
        const { unlike } = await killRound(server, ledger, { random, ...plan, kills: times })
        kills += times
        expect(await ledger.compare(reads)).toEqual(NO_DIFFERENCES)
        expect(unlike).toBe(0)
      }),
    ROUND_MS_MAX,
  )
})

describe('control: clients that try again without a command id', () => {
  let server: EmbeddedServer
  let reads: Pool

  beforeAll(async () => {
    server = await openEmbeddedServer()
    reads = createPool(server.url, { max: 2 })
  })

  afterAll(async () => {
    await reads.end()
    await server.close()
  })

  it(
    'write twice what was committed and not answered',
    async () => {
      const ledger = new Ledger()
      for (let round = 0; round < CONTROL_ROUNDS; round++) {
        await withSeed(SEED + round, (random) =>
          killRound(server, ledger, { random, habit: 'naive', writersDie: true, kills: 1 }),
        )
      }
      const found = await ledger.compare(reads)
      const { acknowledged, retried } = ledger
      console.log(JSON.stringify({ rounds: CONTROL_ROUNDS, acknowledged, retried, ...found }))
      expect(found.doubled).toBeGreaterThan(0)
      expect({ ...found, doubled: 0 }).toEqual(NO_DIFFERENCES)
    },
    CONTROL_ROUNDS * ROUND_MS_MAX,
  )
})
