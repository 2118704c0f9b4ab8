import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { calls, openTurnStory, type TurnStory } from '../../test/support/turn-story.js'
import type { Listed, PageRequest } from './listing.js'
import { messagesOfAgent, messagesOfRun, messagesOfStep, type StoredMessage } from './messages.js'
import { runResult } from './run-result.js'
import { getRun, listRuns } from './runs.js'
import { getStep, listSteps, stepsOfRun } from './steps.js'

const tenantId = 'default'
const ask = { limit: 100, before: null, after: null } as const
const asc = { ...ask, order: 'asc' } as const
const desc = { ...ask, order: 'desc' } as const

let story: TurnStory
let agentId: string
let first: string
let second: string
let waiting: string

beforeAll(async () => {
  story = await openTurnStory()
  agentId = await story.createAgent()
  first = await story.run(agentId, 'one', [
    {
      reply: { reasoning: 'hm', tool_calls: calls(1, ['a', {}], ['b', {}]) },
      returns: [
        { status: 'success', result: 'A' },
        { status: 'error', result: 'B' },
      ],
    },
    { reply: { content: 'done one' } },
  ])
  second = await story.run(agentId, 'two', [{ reply: { content: 'done two' } }])
  waiting = await story.queue(agentId, 'three', { background: true })
})

afterAll(() => story.close())

function rowsOf<Row>(listed: Listed<Row>): Row[] {
  if ('rows' in listed) return listed.rows
  throw new Error(`unknown cursor ${listed.unknownCursor}`)
}

function textOf({ role, content }: StoredMessage): string {
  if ('answers' in content) return 'answers'
  if ('tool_call_id' in content) return content.result
  if ('tool_calls' in content && content.tool_calls.length > 0) return 'calls'
  return role === 'system' ? 'system' : String(content.content)
}

const STORY = ['system', 'one', 'calls', 'A', 'B', 'done one', 'two', 'done two', 'three']

async function agentMessages(page: PageRequest): Promise<StoredMessage[]> {
  return rowsOf(await messagesOfAgent(story.db, tenantId, agentId, page))
}

describe("an agent's messages", () => {
  it('stand in the order of turns, versions and items, the system message first', async () => {
    expect((await agentMessages(asc)).map(textOf)).toEqual(STORY)
    expect((await agentMessages(desc)).map(textOf)).toEqual([...STORY].reverse())
  })

  it.each(['asc', 'desc'] as const)(
    'are all reached by paging %s in both directions',
    async (order) => {
      const all = (await agentMessages({ ...ask, order })).map((m) => m.message_id)
      const forwards: string[] = []
      for (let after: string | null = null; ; after = forwards.at(-1) ?? null) {
        const page = await agentMessages({ limit: 2, order, before: null, after })
        if (page.length === 0) break
        forwards.push(...page.map((m) => m.message_id))
      }
      expect(forwards).toEqual(all)
      const backwards = all.slice(-1)
      for (;;) {
        const before = backwards[0] ?? null
        const page = await agentMessages({ limit: 2, order, before, after: null })
        if (page.length === 0) break
        backwards.unshift(...page.map((m) => m.message_id))
      }
      expect(backwards).toEqual(all)
    },
  )

  it('between two cursors are those nearest to `before`', async () => {
    const all = await agentMessages(asc)
    const between = await agentMessages({
      limit: 2,
      order: 'asc',
      after: all[0]?.message_id ?? null,
      before: all[6]?.message_id ?? null,
    })
    expect(between.map(textOf)).toEqual(['B', 'done one'])
  })

  it('know no cursor of another agent', async () => {
    const other = await story.createAgent('other')
    const [system] = rowsOf(await messagesOfAgent(story.db, tenantId, other, asc))
    const cursor = system?.message_id ?? ''
    expect(await messagesOfAgent(story.db, tenantId, agentId, { ...asc, after: cursor })).toEqual({
      unknownCursor: cursor,
    })
  })
})

describe('a run', () => {
  it('has its own messages, and each step those it added', async () => {
    const messages = rowsOf(await messagesOfRun(story.db, tenantId, first, asc))
    expect(messages.map(textOf)).toEqual(STORY.slice(1, 6))
    const after = messages[0]?.message_id ?? null
    const page = await messagesOfRun(story.db, tenantId, first, { ...asc, limit: 2, after })
    expect(rowsOf(page).map(textOf)).toEqual(['calls', 'A'])
    const stepId = messages[1]?.step_id ?? ''
    const ofStep = await messagesOfStep(story.db, tenantId, { runId: first, stepId }, asc)
    expect(rowsOf(ofStep).map(textOf)).toEqual(['calls', 'A', 'B'])
  })

  it('is answered with what was added, its usage and the size of its context', async () => {
    const result = await runResult(story.db, tenantId, first)
    expect(result?.messages.map(textOf)).toEqual(STORY.slice(2, 6))
    expect(result).toMatchObject({
      run: { status: 'completed', stop_reason: 'end_turn', usage: { total_tokens: 30 } },
      contextTokens: 15,
    })
    expect(await runResult(story.db, tenantId, waiting)).toMatchObject({
      run: { status: 'queued' },
      messages: [],
      contextTokens: null,
    })
    expect(await runResult(story.db, 'other', first)).toBeNull()
  })

  it('is found by each filter', async () => {
    const found = async (filter: Parameters<typeof listRuns>[2]) =>
      rowsOf(await listRuns(story.db, tenantId, filter, asc)).map((run) => run.run_id)
    expect(await found({ agentIds: [agentId] })).toEqual([first, second, waiting])
    expect(await found({ agentIds: [] })).toEqual([])
    expect(await found({ statuses: ['queued', 'running'] })).toEqual([waiting])
    expect(await found({ background: true })).toEqual([waiting])
    expect(await found({ stopReason: 'end_turn' })).toEqual([first, second])
    const next = await listRuns(story.db, tenantId, {}, { ...desc, after: second })
    expect(rowsOf(next).map((run) => run.run_id)).toEqual([first])
    expect(await getRun(story.db, tenantId, `${first}0`)).toBeNull()
  })
})

describe('steps', () => {
  it('of a run are its model calls, by number', async () => {
    const steps = rowsOf(await stepsOfRun(story.db, tenantId, first, desc))
    expect(steps.map(({ step, kind, stop_reason }) => [step, kind, stop_reason])).toEqual([
      [2, 'model', 'end_turn'],
      [1, 'model', 'tool_calls'],
    ])
    const after = steps[0]?.step_id ?? null
    const rest = await stepsOfRun(story.db, tenantId, first, { ...desc, after })
    expect(rowsOf(rest).map((step) => step.step)).toEqual([1])
    expect(await getStep(story.db, tenantId, after ?? '')).toMatchObject({ step: 2 })
    const stray = await stepsOfRun(story.db, tenantId, second, { ...desc, after })
    expect(stray).toEqual({ unknownCursor: after })
  })

  it('of all runs are found by agent, model and time', async () => {
    const found = async (filter: Parameters<typeof listSteps>[2]) =>
      rowsOf(await listSteps(story.db, tenantId, filter, asc)).length
    expect(await found({ agentId })).toBe(3)
    expect(await found({ agentId, model: 'gpt-4o-mini' })).toBe(3)
    expect(await found({ agentId, model: 'openai/gpt-4o-mini' })).toBe(3)
    expect(await found({ model: 'mini' })).toBe(0)
    expect(await found({ until: new Date(0) })).toBe(0)
    expect(await found({ from: new Date(0) })).toBe(3)
  })
})
