import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Pool } from 'pg'
import { createPool } from '#postgres/database.js'
import { type EmbeddedServer, openEmbeddedServer } from './support/embedded-server.js'
import { killRound } from './support/kill-round.js'
import { Ledger, NO_DIFFERENCES } from './support/ledger.js'
import { tortureSeed, withSeed } from './support/seeded.js'

const ROUND_MS_MAX = 60_000

describe('Postgres killed with SIGKILL while clients write', () => {
  let server: EmbeddedServer
  let reads: Pool
  const ledger = new Ledger()
  const seed = tortureSeed()

  beforeAll(async () => {
    server = await openEmbeddedServer()
    reads = createPool(server.url, { max: 2 })
  }, ROUND_MS_MAX)

  afterAll(async () => {
    await reads.end()
    await server.close()
  })

  it.each([
    ['live on', false, 0],
    ['die with it', true, 1],
  ] as const)(
    'and writers that %s: everything acknowledged is there once, in order, and verifies',
    (_how, writersDie, round) =>
      withSeed(seed + round, async (random) => {
        const plan = { random, habit: 'mixed', writersDie, kills: 1 } as const
        const { unlike } = await killRound(server, ledger, plan)
        expect(await ledger.compare(reads)).toEqual(NO_DIFFERENCES)
        expect(unlike).toBe(0)
      }),
    ROUND_MS_MAX,
  )
})
