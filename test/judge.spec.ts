import { describe, expect, it } from '@jest/globals'
import { isLinearizable } from './judge/brute-force.mjs'
import { BUGS } from './judge/bugs.mjs'
import { check } from './judge/check.mjs'
import { fromLines, toLines } from './judge/record.mjs'
import { runSchedule } from './judge/schedule.mjs'
import { judgeSchedule } from './judge/simulate.mjs'
import { smallHistory } from './judge/small-history.mjs'
import { tell } from './judge/verdict.mjs'

/** Schedules within which a bug must show. */
const SCHEDULES_MAX = 1_000
const CLEAN_SCHEDULES = 100
const SMALL_HISTORIES = 10_000

describe('the judge', () => {
  it.each(BUGS.map(({ breaks, name }) => [breaks, name]))(
    'finds it when it does not hold that %s (%s)',
    (_, bug) => {
      for (let seed = 1; seed <= SCHEDULES_MAX; seed++) {
        const { violations } = judgeSchedule(seed, { bug })
        if (violations.length === 0) continue
        // Found by what was answered and written, not because the service broke down.
        expect(violations[0]).not.toMatch(/^thrown/)
        return
      }
      throw new Error(`${bug} was not found in ${SCHEDULES_MAX} schedules`)
    },
  )

  it('control: finds nothing in the service as it is', () => {
    for (let seed = 1; seed <= CLEAN_SCHEDULES; seed++) {
      const { violations } = judgeSchedule(seed, {})
      expect({ seed, violations }).toEqual({ seed, violations: [] })
    }
  })

  it('agrees with a search through all orders on 10,000 small histories, many of them wrong', () => {
    let wrong = 0
    for (let seed = 1; seed <= SMALL_HISTORIES; seed++) {
      const { history, log } = smallHistory(seed)
      const right = isLinearizable(history, log)
      if (!right) wrong += 1
      const { ok, violations } = check(history, log)
      expect({ seed, ok, found: right ? violations.map(tell) : [] }).toEqual({
        seed,
        ok: right,
        found: [],
      })
    }
    expect(wrong).toBeGreaterThan(SMALL_HISTORIES / 5)
    expect(wrong).toBeLessThan(SMALL_HISTORIES / 2)
  })

  it('is given the same history by the same seed', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const [one, other] = [runSchedule(seed), runSchedule(seed)]
      expect(toLines(other.history)).toBe(toLines(one.history))
      expect(JSON.stringify(other.log)).toBe(JSON.stringify(one.log))
    }
  })

  it('reads a history that was written down as the one that was', () => {
    const { history, log } = runSchedule(1)
    const read = fromLines(toLines(history))
    expect(read).toHaveLength(history.length)
    expect(check(read, log).ok).toBe(true)
  })
})
