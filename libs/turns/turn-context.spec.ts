import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { TurnState } from '#domain/turn.js'
import { foldStream } from '#event-store/stream-reader.js'
import { openTurnStory, type TurnStory } from '../../test/support/turn-story.js'
import { compileContext, modelRequest, PromptTooLong, requested } from './turn-context.js'

const TENANT = 'default'

let story: TurnStory

beforeAll(async () => {
  story = await openTurnStory()
})

afterAll(() => story.close())

const sources = () => ({ reads: story.pool, db: story.db, key: Buffer.from('key of this test') })

async function turnState(runId: string): Promise<TurnState> {
  return (await foldStream(story.pool, TENANT, runId)).state as TurnState
}

/** A turn whose first request is recorded just so. */
function begun(turn: TurnState, first: ReturnType<typeof requested>): TurnState {
  const step = {
    ...{ step: 1, model: first.model, seen: first.seen, agentVersion: first.agent_version },
    ...{ history: first.history, delta: null, contextHash: first.context_hash, requestedAt: '' },
    ...{ respondedAt: null, reply: null, usage: null, retries: 0, notBefore: null, calls: [] },
  }
  return { ...turn, steps: [step] }
}

describe('the context of a turn', () => {
  it('is the same to the byte when it is compiled again after a resume, whatever happened since', async () => {
    const agentId = await story.createAgent()
    for (const text of ['one', 'two', 'three']) {
      await story.run(agentId, text, [{ reply: { content: `re ${text}` } }])
    }
    const turn = await turnState(await story.queue(agentId, 'go'))
    const seq = 4
    const context = await compileContext(sources(), TENANT, turn, seq)
    const first = requested(sources(), context, 1, context.seen, [])
    expect(first.history.omitted).toBe(0)
    await story.run(agentId, 'afterwards', [{ reply: { content: 'too late' } }])
    const again = await compileContext(sources(), TENANT, begun(turn, first), seq)
    expect(requested(sources(), again, 1, again.seen, [])).toEqual(first)
    const texts = [context, again].map((c) => JSON.stringify(modelRequest(c, [])))
    expect(texts[1]).toBe(texts[0])
    expect(texts[0]).toContain('re three')
    expect(texts[0]).not.toContain('too late')
  })

  it('leaves out the oldest messages that do not fit, and records which', async () => {
    const agentId = await story.createAgent()
    const long = 'x'.repeat(150_000)
    for (const text of ['one', 'two', 'three']) {
      await story.run(agentId, `${text} ${long}`, [{ reply: { content: `re ${text}` } }])
    }
    const turn = await turnState(await story.queue(agentId, 'go'))
    const context = await compileContext(sources(), TENANT, turn, 4)
    const window = context.agent.settings.context_window_limit
    const sent = JSON.stringify(context.prompt.history).length / 4
    expect(sent).toBeLessThan(window)
    expect(context.history.omitted).toBe(6 - context.prompt.history.length)
    expect(context.history.from_message_id).toBe(context.prompt.history[0]?.message_id)
    expect(context.history.omitted).toBeGreaterThan(0)
    const first = requested(sources(), context, 1, context.seen, [])
    const again = await compileContext(sources(), TENANT, begun(turn, first), 4)
    expect(again.prompt.history).toEqual(context.prompt.history)
    expect(again.history).toEqual(context.history)
  })

  it('cannot be compiled when the input alone is longer than the window', async () => {
    const agentId = await story.createAgent()
    const turn = await turnState(await story.queue(agentId, 'x'.repeat(1_000_000)))
    await expect(compileContext(sources(), TENANT, turn, 1)).rejects.toThrow(PromptTooLong)
  })

  it('has hashes that nobody can guess without the key', async () => {
    const agentId = await story.createAgent()
    const turn = await turnState(await story.queue(agentId, 'go'))
    const context = await compileContext(sources(), TENANT, turn, 1)
    const hashes = [Buffer.from('a'), Buffer.from('b')].map(
      (key) => requested({ ...sources(), key }, context, 1, {}, []).context_hash,
    )
    expect(hashes[0]).not.toBe(hashes[1])
  })
})
