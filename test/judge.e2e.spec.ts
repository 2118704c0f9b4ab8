import { describe, expect, it } from '@jest/globals'
import { check } from './judge/check.mjs'
import { tell } from './judge/verdict.mjs'
import { judgedRun } from './support/judged-run.js'
import { tortureSeed, withSeed } from './support/seeded.js'

const OPERATIONS = 600
const KILLS = 1

describe('clients of two api processes, one of which is killed and started again', () => {
  it(
    'were told nothing that the log does not bear out, in an order that all of them could have seen',
    () =>
      withSeed(tortureSeed(), async (random) => {
        const { history, log, kills } = await judgedRun({
          random,
          operations: OPERATIONS,
          kills: KILLS,
        })
        expect(kills).toBe(KILLS)
        expect(history).toHaveLength(OPERATIONS)
        expect(check(history, log).violations.map(tell)).toEqual([])
      }),
    60_000,
  )
})
