import { describe, expect, it } from '@jest/globals'
import { doneByIdAlone, queueTurns } from '../support/queued-turns.js'
import { tortureSeed, withSeed } from '../support/seeded.js'

/** TURN_JOBS=10000 is the long run. */
const JOBS = Number(process.env['TURN_JOBS'] ?? 500)
const KILLS = Number(process.env['TURN_KILLS'] ?? 2)
const SEED = tortureSeed()
const MS_MAX = 120_000 + JOBS * 1_000
const redisUrl = process.env.PALIMPSEST_TEST_REDIS_URL
const BACKENDS = [
  ['Postgres', undefined],
  ...(redisUrl ? [['Redis', redisUrl] as const] : []),
] as const

describe.each(BACKENDS)('%s: another process queues turns', (backend, redis) => {
  it(
    'a third of them twice, at once and after the queue forgot them, workers killed: each is one turn, in order',
    () =>
      withSeed(SEED, async (random) => {
        const found = await queueTurns({ random, jobs: JOBS, redisUrl: redis, kills: KILLS })
        console.log(JSON.stringify({ backend, seed: SEED, ...found }))
        expect(found.sent).toBeGreaterThan(JOBS * 1.3)
        expect(found).toMatchObject({ turns: JOBS, completed: JOBS, disordered: 0 })
      }),
    MS_MAX,
  )

  it('control: who trusts the job ids alone does a job again once the queue has forgotten it', async () => {
    expect(await doneByIdAlone(redis)).toEqual({ sent: 2, done: 2 })
  })
})
