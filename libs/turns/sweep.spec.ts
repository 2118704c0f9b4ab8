import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { pauseAmong, Sweep, shareAmong } from './sweep.js'

describe('workers that make the same rounds', () => {
  it('make as many together as three of them, up to fifteen, and never pause for long', () => {
    const everyMs = fc.integer({ min: 50, max: 10_000 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), everyMs, (workers, every) => {
        const pauses = Array.from({ length: 2_000 }, () => pauseAmong(workers, every))
        const mean = pauses.reduce((sum, ms) => sum + ms, 0) / pauses.length
        const together = Math.max(Math.min(workers, 3), workers / 5)
        expect((workers * every) / mean / together).toBeGreaterThan(0.9)
        expect((workers * every) / mean / together).toBeLessThan(1.1)
        expect(Math.max(...pauses)).toBeLessThanOrEqual(every * 7.5)
      }),
      { numRuns: 50 },
    )
  })

  it('pause as if alone while they are few, and at random among many', () => {
    expect([1, 2, 3].map((workers) => pauseAmong(workers, 100))).toEqual([100, 100, 100])
    expect(new Set(Array.from({ length: 20 }, () => pauseAmong(24, 100))).size).toBeGreaterThan(10)
  })
})

describe('agents that were found', () => {
  it('are shared alike, and by fewer workers when they are few', () => {
    expect([1, 4, 25].map((workers) => shareAmong(workers, 200))).toEqual([200, 50, 32])
    expect(shareAmong(3, 100) * 3).toBeGreaterThanOrEqual(100)
    expect(shareAmong(8, 5)).toBe(32)
  })
})

describe('a sweep', () => {
  it('goes on after a round that failed, one at a time, and stops behind the one under way', async () => {
    const errors: unknown[] = []
    let [rounds, underWay, most] = [0, 0, 0]
    let reached = (): void => {}
    const third = new Promise<void>((resolve) => {
      reached = resolve
    })
    const round = async (): Promise<void> => {
      rounds += 1
      underWay += 1
      most = Math.max(most, underWay)
      if (rounds === 3) reached()
      await pause(5)
      underWay -= 1
      if (rounds === 1) throw new Error('lost')
    }
    const onError = (error: unknown) => errors.push(error)
    const sweep = new Sweep({ everyMs: 1, workers: () => 1, round, onError })
    sweep.start(true)
    await third
    await sweep.stop()
    expect({ rounds, underWay, most, errors }).toEqual({
      rounds: 3,
      underWay: 0,
      most: 1,
      errors: [new Error('lost')],
    })
    await pause(20)
    expect(rounds).toBe(3)
  })
})
