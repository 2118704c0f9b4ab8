import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { Actor } from './actor.js'
import { settledBy, TRIGGER_DEPTH_MAX, type Wake, type Watch, wokenBy } from './trigger-wake.js'

const watch: Watch = { agentId: 'agent-a', sinceVersion: 1, debounceMs: 100 }
const user: Actor = { kind: 'user', id: 'ada' }
const agent = (id: string): Actor => ({ kind: 'agent', id: `agent-${id}` })
const edit = (version: number, actor = user, depth = 0) => ({
  version,
  actor,
  depth,
  runId: depth > 0 ? `run-${version}` : null,
})
const woken = (before: Wake | null, ...args: [ReturnType<typeof edit>, number]): Wake =>
  wokenBy(before, watch, ...args) as Wake

describe('a change by somebody else', () => {
  it('wakes once the block has been quiet, for all changes together', () => {
    const first = woken(null, edit(2), 1_000)
    expect(first).toMatchObject({ fromVersion: 1, toVersion: 2, depth: 1, dueAt: 1_100 })
    const second = woken(first, edit(4, agent('b'), 2), 1_060)
    expect(second).toMatchObject({ fromVersion: 1, toVersion: 4, depth: 3, dueAt: 1_160 })
  })

  it('wakes after ten times the time at the latest, however busy the block is', () => {
    let wake: Wake | null = null
    for (let i = 0; i < 100; i++) wake = woken(wake, edit(2 + i), 1_000 + 50 * i)
    expect(wake).toMatchObject({ fromVersion: 1, toVersion: 101, dueAt: 2_000 })
  })

  it('does nothing when it comes again, or is older than the trigger', () => {
    expect(wokenBy(null, watch, edit(1), 0)).toBeNull()
    const wake = woken(woken(null, edit(2), 0), edit(3), 0)
    for (const again of [2, 3]) expect(wokenBy(wake, watch, edit(again), 50)).toBeNull()
    expect(wokenBy(settledBy(wake, 3), watch, edit(3), 50)).toBeNull()
  })

  it('that a turn has been queued for waits no more; later ones do', () => {
    const wake = woken(woken(null, edit(2), 0), edit(5), 0)
    expect(settledBy(wake, 5).dueAt).toBeNull()
    expect(settledBy(wake, 2)).toMatchObject({ fromVersion: 2, toVersion: 5, dueAt: 100 })
    expect(woken(settledBy(wake, 5), edit(9), 500)).toMatchObject({ fromVersion: 8, toVersion: 9 })
  })
})

describe('the guard against loops', () => {
  it("never lets an agent's own changes wake it", () => {
    expect(wokenBy(null, watch, edit(2, agent('a'), 1), 0)).toBeNull()
  })

  it('refuses to wake beyond the limit, and says how often and by what', () => {
    const wake = woken(null, edit(2, agent('b'), TRIGGER_DEPTH_MAX), 0)
    expect(wake).toMatchObject({ dueAt: null, refused: { version: 2, runId: 'run-2', count: 1 } })
    expect(wokenBy(wake, watch, edit(2, agent('b'), TRIGGER_DEPTH_MAX), 0)).toBeNull()
    const later = woken(wake, edit(3), 0)
    expect(later).toMatchObject({ fromVersion: 2, depth: 1, refused: { count: 1 } })
  })

  it('brings agents that wake one another to rest, however their turns mix; without it they go on', () => {
    const order = fc.array(fc.nat({ max: 7 }), { minLength: 200, maxLength: 200 })
    fc.assert(
      fc.property(order, (picks) => {
        expect(turnsOf(picks, TRIGGER_DEPTH_MAX)).toBeLessThan(100)
        expect(turnsOf(picks, Number.POSITIVE_INFINITY)).toBe(picks.length)
      }),
    )
  })
})

/** Three agents on one block, each of whose turns changes it: how many turns one change of a user's makes. */
function turnsOf(picks: readonly number[], depthMax: number): number {
  const names = ['a', 'b', 'c']
  const wakes = new Map<string, Wake>()
  let version = 1
  const change = (actor: Actor, depth: number): void => {
    version += 1
    for (const name of names) {
      const own = { ...watch, agentId: `agent-${name}` }
      const wake = wokenBy(wakes.get(name) ?? null, own, edit(version, actor, depth), 0, depthMax)
      if (wake) wakes.set(name, wake)
    }
  }
  change(user, 0)
  let turns = 0
  for (const pick of picks) {
    const due = names.filter((name) => wakes.get(name)?.dueAt != null)
    const name = due[pick % due.length]
    if (name === undefined) return turns
    const wake = wakes.get(name) as Wake
    wakes.set(name, settledBy(wake, wake.toVersion))
    turns += 1
    change(agent(name), wake.depth)
  }
  return turns
}
