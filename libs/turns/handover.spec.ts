import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { HintListener } from '#postgres/hint.js'
import { until } from '../../test/support/feed-load.js'
import { openTurnStory, type TurnStory } from '../../test/support/turn-story.js'
import { dealOut, HANDOVER_HINTS, Handover, workerRooms } from './handover.js'
import { claimMailbox, endLease, renewLease } from './mailbox.js'

/** For so many one worker is enough. */
const SHARE = 32

const rooms = (free: readonly number[]) =>
  free.map((places, n) => ({ workerId: `worker-${n}`, free: places }))
const agents = (count: number) => Array.from({ length: count }, (_, n) => `agent-${n}`)

describe('agents that are dealt out', () => {
  it('go each to one worker, to none more than it has places for, and are left only when nobody has any', () => {
    const free = fc.array(fc.integer({ min: -5, max: 60 }), { maxLength: 12 })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 400 }), free, (count, frees) => {
        const found = agents(count)
        const { shares, left } = dealOut(found, rooms(frees))
        expect([...[...shares.values()].flat(), ...left].sort()).toEqual(found.sort())
        const places = new Map(rooms(frees).map((room) => [room.workerId, room.free]))
        for (const [workerId, share] of shares) {
          expect(share.length).toBeLessThanOrEqual(places.get(workerId) as number)
        }
        const all = frees.reduce((sum, n) => sum + Math.max(0, n), 0)
        expect(left).toHaveLength(Math.max(0, count - all))
      }),
    )
  })

  it('go to those with the most places, alike, and to no more of them than have a fair share each', () => {
    const shares = (count: number, free: readonly number[]) =>
      Object.fromEntries(
        [...dealOut(agents(count), rooms(free)).shares].map(([id, share]) => [id, share.length]),
      )
    expect(shares(SHARE, [10, 90, 40])).toEqual({ 'worker-1': 32 })
    expect(shares(84, [90, 5, 91, 40, 90, 89])).toEqual({
      'worker-0': 28,
      'worker-2': 28,
      'worker-4': 28,
    })
    expect(shares(84, [90, 5, 91])).toEqual({ 'worker-0': 40, 'worker-1': 5, 'worker-2': 39 })
    expect(shares(20, [4, 4, 4, 4, 4, 4])).toMatchObject({ 'worker-0': 4, 'worker-4': 4 })
    expect(shares(300, [100, 100, 100])).toEqual({
      'worker-0': 100,
      'worker-1': 100,
      'worker-2': 100,
    })
  })
})

describe('workers with room', () => {
  let story: TurnStory
  let taken: Map<string, string[]>
  let ended: (() => Promise<void>)[] = []

  beforeAll(async () => {
    story = await openTurnStory()
  })

  afterAll(() => story.close())

  afterEach(async () => {
    for (const end of ended) await end()
    ended = []
  })

  /** A worker that hears hints, and notes what it is to take up. */
  async function worker(workerId: string, places: number): Promise<Handover> {
    const db = story.pool
    const takeOver = async (mailboxes: readonly { agentId: string }[]): Promise<void> => {
      const before = taken.get(workerId) ?? []
      taken.set(workerId, [...before, ...mailboxes.map(({ agentId }) => agentId)])
    }
    const handover = new Handover({ db, workerId, takeOver })
    await renewLease(db, workerId, null, places)
    const hints = new HintListener(db.options.connectionString as string, {
      [HANDOVER_HINTS]: (told) => void handover.heard(told),
    })
    await hints.open()
    ended.push(
      () => hints.close(),
      () => endLease(db, workerId),
    )
    return handover
  }

  const ofAgents = (count: number) =>
    agents(count).map((agentId) => ({ tenantId: 'default', agentId }))

  it('are those alive that have places declared, less the agents each holds', async () => {
    taken = new Map()
    for (const [id, places] of [
      ['busy', 5],
      ['resting', 3],
      ['draining', 0],
      ['gone', 9],
    ] as const) {
      await worker(id, places)
    }
    await story.pool.query(
      `update workers set lease_until = clock_timestamp() - interval '1 second' where worker_id = 'gone'`,
    )
    for (let n = 0; n < 2; n++) {
      const agentId = await story.createAgent()
      await story.queue(agentId, 'go')
      expect(await claimMailbox(story.pool, 'default', agentId, 'busy')).not.toBeNull()
    }
    const found = await workerRooms(story.pool)
    expect(found.sort((a, b) => a.workerId.localeCompare(b.workerId))).toEqual([
      { workerId: 'busy', free: 3 },
      { workerId: 'resting', free: 3 },
    ])
  })

  it('are told of what they are dealt, each of its own; who deals keeps its share, and what nobody has room for', async () => {
    taken = new Map()
    const finder = await worker('finder', 2)
    await worker('near', 40)
    await worker('far', 200)
    await finder.deal(ofAgents(250))
    await until(() => [...taken.values()].flat().length >= 250)
    const counts = Object.fromEntries([...taken].map(([id, ids]) => [id, ids.length]))
    expect(counts).toEqual({ finder: 2 + 8, near: 40, far: 200 })
    expect([...taken.values()].flat().sort()).toEqual(agents(250).sort())
  })

  it('hear nothing when nothing was found', async () => {
    taken = new Map()
    const finder = await worker('finder', 2)
    await finder.deal([])
    expect(taken).toEqual(new Map())
  })
})
