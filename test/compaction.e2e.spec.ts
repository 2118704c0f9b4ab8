import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { rebuildReadModels } from '#read-models/rebuild.js'
import { SUMMARY_TASK } from '#turns/summary-request.js'
import type { ModelServerRequest, ModelStep } from './support/model-server.js'
import { openTurnStage, type TurnStage } from './support/turn-stage.js'

const WINDOW = 8_000
/** About 1650 tokens. */
const LONG = 'many words '.repeat(600)

let stage: TurnStage

beforeAll(async () => {
  stage = await openTurnStage()
})

beforeEach(() => stage.model.reset())

afterAll(async () => {
  await stage.close()
  expect(stage.product.logged).toEqual([])
})

const isSummary = ({ messages }: ModelServerRequest): boolean =>
  messages[0]?.content?.startsWith(SUMMARY_TASK) === true

/** Answers every summary by its number and everything else by one word. */
function answering(summary: (n: number) => ModelStep = (n) => ({ text: `SUMMARY ${n}` })): void {
  let n = 0
  stage.model.routeBy((request) => (isSummary(request) ? summary(++n) : { text: 'well' }))
}

async function smallAgent(): Promise<string> {
  const agentId = await stage.agent()
  await stage.rest('PATCH', `/v1/agents/${agentId}`, { context_window_limit: WINDOW })
  return agentId
}

async function told(agentId: string, texts: readonly string[], more = {}): Promise<string[]> {
  const runs: string[] = []
  for (const text of texts) {
    const answer = await stage.send(agentId, text, more)
    expect(answer.status).toBe(200)
    runs.push((answer.body as { run_ids?: string[] }).run_ids?.[0] ?? '')
  }
  const { rows } = await stage.sql.query<{ run_id: string }>(
    'select run_id from turns where agent_id = $1 order by seq',
    [agentId],
  )
  return rows.map((row) => row.run_id)
}

const said = ({ messages }: ModelServerRequest) =>
  messages.map(({ role, content }) => `${role}: ${content?.slice(0, 20)}`)
const types = async (runId: string) => (await stage.events(runId)).map(({ type }) => type)

describe('a conversation that fills its window', () => {
  it('is summarised once, and later turns are sent the summary and what came after it, the same from turn to turn', async () => {
    answering()
    const agentId = await smallAgent()
    const runs = await told(
      agentId,
      ['one', 'two', 'three', 'four'].map((n) => `${n} ${LONG}`),
    )
    const asked = stage.model.requests.filter(isSummary)
    expect(asked).toHaveLength(1)
    expect(asked[0]?.toolNames).toEqual([])
    expect(asked[0]?.messages[1]?.content).toContain('user: one many words')
    expect(asked[0]?.messages[1]?.content).not.toContain('user: three')
    expect(await types(runs[3] as string)).toEqual([
      ...['TurnQueued', 'TurnStarted', 'CompactionRequested', 'ContextCompacted'],
      ...['ModelRequested', 'ModelResponded', 'TurnCompleted'],
    ])
    const later = await told(agentId, ['short', 'shorter'])
    const [third, fourth, fifth] = stage.model.requests.slice(-3)
    for (const request of [third, fourth, fifth]) {
      expect(request?.messages[1]?.content).toContain('SUMMARY 1')
      expect(request?.messages[2]?.content).toMatch(/^three /)
    }
    const bytes = (request?: ModelServerRequest) => request?.messages.map((m) => JSON.stringify(m))
    expect(bytes(fourth)?.slice(0, third?.messages.length)).toEqual(bytes(third))
    expect(bytes(fifth)?.slice(0, fourth?.messages.length)).toEqual(bytes(fourth))
    expect(stage.model.requests.filter(isSummary)).toHaveLength(1)
    await rebuildReadModels(stage.sql, 'default')
    for (const runId of [...runs, ...later]) {
      const { body } = await stage.rest('GET', `/v1/runs/${runId}/context`)
      expect(body).toMatchObject({ verified: true })
    }
    const [event] = await stage.events(runs[3] as string, /^ContextCompacted$/)
    const [request] = await stage.events(runs[3] as string, /^CompactionRequested$/)
    expect(event?.payload.tokens_after).toBeLessThan(request?.payload.tokens_before)
    const run = (await stage.rest('GET', `/v1/runs/${runs[3]}`)).body
    expect(JSON.stringify(run)).not.toContain('SUMMARY')
  })

  it('folds an earlier summary into the next, and forgets both when its messages are reset', async () => {
    answering()
    const agentId = await smallAgent()
    await told(
      agentId,
      ['one', 'two', 'three', 'four', 'five', 'six', 'seven'].map((n) => `${n} ${LONG}`),
    )
    const asked = stage.model.requests.filter(isSummary)
    expect(asked.length).toBeGreaterThan(1)
    const second = asked[1]?.messages[1]?.content ?? ''
    expect(second).toContain('<earlier_summary>\nSUMMARY 1\n</earlier_summary>')
    expect(second).not.toContain('user: one ')
    await stage.rest('PATCH', `/v1/agents/${agentId}/reset-messages`, {})
    await told(agentId, ['afresh'])
    expect(said(stage.model.requests.at(-1) as ModelServerRequest).slice(1)).toEqual([
      'user: afresh',
    ])
  })

  it('shows its summary as a message of the user, or as what it is to whoever asks for that', async () => {
    answering()
    const agentId = await smallAgent()
    await told(
      agentId,
      ['one', 'two', 'three', 'four'].map((n) => `${n} ${LONG}`),
    )
    const path = `/v1/agents/${agentId}/messages/?limit=100&order=asc`
    const of = async (query: string) =>
      (await stage.rest<Record<string, unknown>[]>('GET', `${path}${query}`)).body.filter((item) =>
        JSON.stringify(item).includes('SUMMARY'),
      )
    expect(await of('')).toMatchObject([{ message_type: 'user_message', content: 'SUMMARY 1' }])
    expect(await of('&include_compaction_messages=true')).toMatchObject([
      { message_type: 'summary_message', summary: 'SUMMARY 1' },
    ])
  })

  it('costs its turn what the summary costs', async () => {
    answering()
    const agentId = await smallAgent()
    await told(
      agentId,
      ['one', 'two', 'three'].map((n) => `${n} ${LONG}`),
    )
    const { body } = await stage.send(agentId, `four ${LONG}`)
    expect(body).toMatchObject({ usage: { total_tokens: 30, step_count: 1 } })
    await told(
      agentId,
      ['five', 'six'].map((n) => `${n} ${LONG}`),
    )
    const poor = await stage.rest<{ id: string }>('POST', `/v1/agents/${agentId}/messages/async`, {
      ...{ input: `seven ${LONG}`, max_tokens: 100 },
    })
    await stage.ended(poor.body.id)
    expect((await stage.events(poor.body.id, /^TurnFailed$/))[0]?.payload.class).toBe(
      'Budget.Tokens',
    )
  })

  it('fails its turn with the class of the failure when the summary cannot be had', async () => {
    answering(() => ({ status: 400, body: { error: { message: 'no', code: 'bad' } } }))
    const agentId = await smallAgent()
    await told(
      agentId,
      ['one', 'two', 'three'].map((n) => `${n} ${LONG}`),
    )
    const runId = await stage.sendAsync(agentId, `four ${LONG}`)
    await stage.ended(runId)
    const failed = (await stage.events(runId, /^TurnFailed$/))[0]?.payload
    expect(failed).toMatchObject({ class: 'Provider.BadRequest' })
    expect(await types(runId)).not.toContain('ModelRequested')
  })

  it('is cancelled while it is being summarised', async () => {
    answering(() => ({ hang: true }))
    const agentId = await smallAgent()
    await told(
      agentId,
      ['one', 'two', 'three'].map((n) => `${n} ${LONG}`),
    )
    const runId = await stage.sendAsync(agentId, `four ${LONG}`)
    await stage.model.requestsArrived(4)
    await stage.rest('POST', `/v1/agents/${agentId}/messages/cancel`, { run_ids: [runId] })
    await stage.ended(runId)
    expect((await types(runId)).slice(-1)).toEqual(['TurnCancelled'])
  })
})

describe('a request that the provider finds too long', () => {
  const overflow = {
    ...{ status: 400, body: { error: { message: 'no', code: 'context_length_exceeded' } } },
  }

  it('is sent once more behind a summary, and ends its turn when it is still too long', async () => {
    const agentId = await stage.agent()
    stage.model.routeBy(() => ({ text: 'well' }))
    await told(agentId, ['one', 'two'])
    let refusals = 1
    const refusing = (request: ModelServerRequest): ModelStep =>
      isSummary(request) ? { text: 'SHORT' } : refusals-- > 0 ? overflow : { text: 'fits' }
    stage.model.reset()
    stage.model.routeBy(refusing)
    const runId = await stage.sendAsync(agentId, 'three')
    await stage.ended(runId)
    expect(await types(runId)).toEqual([
      ...['TurnQueued', 'TurnStarted', 'ModelRequested', 'CompactionRequested', 'ContextCompacted'],
      ...['ModelRequested', 'ModelResponded', 'TurnCompleted'],
    ])
    expect(stage.model.requests.at(-1)?.messages[1]?.content).toContain('SHORT')
    const { body } = await stage.rest('GET', `/v1/runs/${runId}/context`)
    expect(body).toMatchObject({ verified: true })
    refusals = 9
    const final = await stage.sendAsync(agentId, 'four')
    await stage.ended(final)
    const events = await stage.events(final)
    expect(events.filter(({ type }) => type === 'ContextCompacted')).toHaveLength(1)
    expect(events.at(-1)).toMatchObject({
      type: 'TurnFailed',
      payload: { class: 'ContextOverflow' },
    })
  })
})
