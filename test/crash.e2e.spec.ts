import { describe, expect, it } from '@jest/globals'
import { COMMITS_OF_A_TURN, killAfterCommit } from './support/turn-kills.js'

describe('a worker killed with SIGKILL', () => {
  it.each(Array.from({ length: COMMITS_OF_A_TURN - 1 }, (_, i) => i + 1))(
    'after commit %i of a tutorial turn: the turn ends once, no recorded model call is repeated, no edit is doubled',
    async (n) => {
      const report = await killAfterCommit(n)
      expect(report).toMatchObject({
        status: 'completed',
        starts: 2,
        terminalEvents: 1,
        insertions: 1,
        recorded: 3,
        asked: 3,
      })
      expect(report.value).toMatch(/^Organization: Letta\nAgent1: .*$/)
    },
    60_000,
  )
})
