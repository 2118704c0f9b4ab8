import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { openTurnStory, type TurnStory } from '../../test/support/turn-story.js'
import { TurnWaiters } from './turn-waiters.js'

let story: TurnStory
let waiters: TurnWaiters

beforeAll(async () => {
  story = await openTurnStory()
})

afterAll(() => story.close())

beforeEach(() => {
  waiters = new TurnWaiters(story.db, 'default')
})

afterEach(() => {
  expect(waiters.awaited).toBe(0)
  waiters.close()
})

const patient = () => new AbortController().signal
const STEPS = [{ reply: { content: 'done' } }]

describe('who waits for a turn', () => {
  it('is told at once when it was over before', async () => {
    const runId = await story.run(await story.createAgent(), 'go', STEPS)
    await waiters.wait(runId, patient())
  })

  it('is told by the sweep when no hint comes, be the end good or bad', async () => {
    const agentId = await story.createAgent()
    const runId = await story.queue(agentId, 'go')
    const waiting = waiters.wait(runId, patient())
    await story.fail(agentId, runId, 'Provider.BadRequest')
    await waiting
  })

  it('who has queued it just now is told too, though it was over before anybody waited', async () => {
    const runId = await story.run(await story.createAgent(), 'go', STEPS)
    await waiters.wait(runId, patient(), true)
  })

  it('is told by a hint', async () => {
    const agentId = await story.createAgent()
    const runId = await story.queue(agentId, 'go')
    const told: string[] = []
    const waiting = waiters.wait(runId, patient()).then(() => told.push('told'))
    await story.fail(agentId, runId, 'Provider.BadRequest')
    waiters.hint([runId, 'run-of-somebody-else'])
    await waiting
    expect(told).toEqual(['told'])
  })

  it('is told together with all others who wait for the same turn', async () => {
    const agentId = await story.createAgent()
    const runs = await Promise.all(Array.from({ length: 5 }, () => story.queue(agentId, 'go')))
    const waiting = runs.flatMap((id) => [waiters.wait(id, patient()), waiters.wait(id, patient())])
    for (const id of runs) await story.fail(agentId, id, 'Provider.BadRequest')
    await Promise.all(waiting)
  })

  it('may go away: the others are still told, and nothing is kept for it', async () => {
    const agentId = await story.createAgent()
    const runId = await story.queue(agentId, 'go')
    const left = new AbortController()
    const gone = waiters.wait(runId, left.signal)
    const stays = waiters.wait(runId, patient())
    left.abort(new Error('went away'))
    await expect(gone).rejects.toThrow('went away')
    expect(waiters.awaited).toBe(1)
    await story.fail(agentId, runId, 'Provider.BadRequest')
    await stays
  })

  it('leaves nothing behind when it goes away alone, or had gone before it came', async () => {
    const runId = await story.queue(await story.createAgent(), 'go')
    const left = new AbortController()
    const gone = waiters.wait(runId, left.signal)
    left.abort(new Error('went away'))
    await expect(gone).rejects.toThrow('went away')
    expect(waiters.awaited).toBe(0)
    await expect(waiters.wait(runId, left.signal)).rejects.toThrow('went away')
  })
})
