import { describe, expect, it } from '@jest/globals'
import {
  COMMITS_OF_A_TURN,
  type KillReport,
  killAfterCommit,
  loseJournal,
} from '../support/turn-kills.js'

/** Trials in all, spread over the commits; KILL_TRIALS sets another number. */
const TRIALS = Number(process.env.KILL_TRIALS ?? 20)
const BOUNDARIES = COMMITS_OF_A_TURN - 1
const RUNS_OF_A_BOUNDARY = Math.max(1, Math.round(TRIALS / BOUNDARIES))
const redisUrl = process.env.PALIMPSEST_TEST_REDIS_URL

const trials = Array.from({ length: BOUNDARIES }, (_, i) => i + 1).flatMap((n) =>
  Array.from({ length: RUNS_OF_A_BOUNDARY }, (_, run) => [n, run + 1] as const),
)

/** What must hold of every trial, and what must not in the control arm. */
function faults(report: KillReport): string[] {
  const found = []
  if (report.status !== 'completed') found.push(`the turn is ${report.status}`)
  if (report.terminalEvents !== 1) found.push(`${report.terminalEvents} terminal events`)
  if (report.starts !== 2) found.push(`${report.starts} starts`)
  if (report.asked !== report.recorded) {
    found.push(`${report.recorded} answers recorded, the model was asked ${report.asked} times`)
  }
  if (report.insertions !== 1) found.push(`${report.insertions} insertions`)
  return found
}

describe('a worker killed with SIGKILL', () => {
  it.each(trials)(
    'after commit %i, run %i: nothing is lost, asked again or doubled',
    async (n, run) => {
      // Every other run on the other queue, where there is one.
      const report = await killAfterCommit(n, { redisUrl: run % 2 === 0 ? redisUrl : undefined })
      expect(faults(report)).toEqual([])
    },
  )

  it.each([2, 3, 4, 5])(
    'control, after commit %i: a worker that lost the journal asks again, and the check sees it',
    async (n) => {
      const found = faults(await killAfterCommit(n, { meanwhile: loseJournal }))
      expect(found[0]).toMatch(/^3 answers recorded, the model was asked [45] times$/)
      if (n === 5) expect(found[1]).toBe('2 insertions')
    },
  )
})
