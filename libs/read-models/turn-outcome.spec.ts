import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { RESULT_BYTES_MAX, turnFailure, turnResult } from '#producer/turn-result.js'
import { calls, openTurnStory, type TurnStory } from '../../test/support/turn-story.js'
import { turnOutcome } from './turn-outcome.js'

let story: TurnStory
let agentId: string

beforeAll(async () => {
  story = await openTurnStory()
  agentId = await story.createAgent()
})

afterAll(() => story.close())

const outcome = (runId: string) => turnOutcome(story.pool, 'default', runId)

describe('what a turn came to', () => {
  it('is said in full, calls with their returns behind the reply that made them', async () => {
    const runId = await story.run(agentId, 'search', [
      {
        reply: { tool_calls: calls(1, ['web_search', { query: 'a' }]) },
        returns: [{ status: 'error', result: 'no key' }],
      },
      { reply: { content: 'nothing found' } },
    ])
    const { result } = (await outcome(runId)) ?? {}
    expect(turnResult.parse(result)).toEqual(result)
    expect(result?.messages).toMatchObject([
      { role: 'assistant', step: 1, tool_calls: [{ name: 'web_search' }] },
      { role: 'tool', step: 1, name: 'web_search', status: 'error', content: 'no key' },
      { role: 'assistant', step: 2, content: 'nothing found' },
    ])
  })

  it('is without its messages where they are too long for a job, and says where they are', async () => {
    const content = 'é'.repeat(RESULT_BYTES_MAX / 2)
    const runId = await story.run(agentId, 'tell', [{ reply: { content } }])
    const { result } = (await outcome(runId)) ?? {}
    expect(result).toMatchObject({ messages: null, edits: [], url: `/v1/runs/${runId}` })
  })

  it('is a failure with its class and code, or nothing yet', async () => {
    const runId = await story.queue(agentId, 'go')
    expect(await outcome(runId)).toBeNull()
    await story.fail(agentId, runId, 'Provider.RateLimited')
    const { result, failure } = (await outcome(runId)) ?? {}
    expect(result).toBeNull()
    expect(turnFailure.parse(failure)).toEqual(failure)
    const code = 'model_rate_limited'
    const known = { class: 'Provider.RateLimited', code, retriable: true, run_id: runId }
    expect(failure).toMatchObject(known)
    expect(await outcome('run-00000000-0000-4000-8000-000000000000')).toBeNull()
  })
})
