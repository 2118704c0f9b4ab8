import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import Letta from '@letta-ai/letta-client'
import { LettaClient } from 'letta-client-legacy'
import { heldUntil } from './support/scripted-server.js'
import { gate, lastSaid, openTurnStage, type TurnStage } from './support/turn-stage.js'

let stage: TurnStage

beforeAll(async () => {
  stage = await openTurnStage()
})

afterAll(async () => {
  await stage.close()
  expect(stage.product.logged).toEqual([])
})

beforeEach(() => stage.model.reset())

const COUNT = 10
const AGENTS = 64

async function turnsOf(agentId: string): Promise<{ run_id: string; status: string }[]> {
  const { rows } = await stage.sql.query(
    'select run_id, status from turns where agent_id = $1 order by seq',
    [agentId],
  )
  return rows
}

/** Model calls of one agent that were under way at the same time, at most. */
function watchOverlap(answer: (text: string) => object): () => number {
  let now = 0
  let most = 0
  stage.model.routeBy((request) => ({
    async respond() {
      now += 1
      most = Math.max(most, now)
      const step = answer(lastSaid(request).text)
      await (step as { holdUntil?: Promise<unknown> }).holdUntil
      now -= 1
      return step as { text: string }
    },
  }))
  return () => most
}

describe('messages to one agent', () => {
  it('run one at a time and in the order of their arrival, however many come at once', async () => {
    const agent = await stage.agent()
    const accepted = gate()
    const overlap = watchOverlap((text) => ({ text: `re ${text}`, holdUntil: accepted.opened }))
    const texts = Array.from({ length: COUNT }, (_, i) => `message ${i}`)
    const runs = await Promise.all(texts.map((text) => stage.sendAsync(agent, text)))
    accepted.open()
    await stage.ended(...runs)
    expect(overlap()).toBe(1)
    const turns = await turnsOf(agent)
    expect(turns.map((turn) => turn.status)).toEqual(Array(COUNT).fill('completed'))
    const queued = await Promise.all(
      turns.map(async ({ run_id }) => (await stage.events(run_id, /^TurnQueued$/))[0]),
    )
    const positions = queued.map((event) => Number(event?.position))
    expect(positions).toEqual(positions.toSorted((a, b) => a - b))
    const arrived = queued.map((event) => event?.payload.input[0].content as string)
    expect(stage.model.requests.map((request) => lastSaid(request).text)).toEqual(arrived)

    const everything = arrived.flatMap((text) => [text, `re ${text}`])
    const sent = stage.model.requests.at(-1)?.messages.slice(1)
    expect(sent?.map((message) => message.content)).toEqual(everything.slice(0, -1))
    const path = `/v1/agents/${agent}/messages?order=asc&limit=100`
    const listed = await stage.rest<{ message_type: string; content: string }[]>('GET', path)
    const shown = listed.body.filter((message) => message.message_type !== 'system_message')
    expect(shown.map((message) => message.content)).toEqual(everything)
  })

  it('that were sent one after another run in just that order', async () => {
    const agent = await stage.agent()
    const accepted = gate()
    stage.model.routeBy(() => ({ text: 'ok', holdUntil: accepted.opened }))
    const texts = Array.from({ length: 5 }, (_, i) => `message ${i}`)
    const runs: string[] = []
    for (const text of texts) runs.push(await stage.sendAsync(agent, text))
    accepted.open()
    await stage.ended(...runs)
    expect(stage.model.requests.map((request) => lastSaid(request).text)).toEqual(texts)
  })

  it('hold up nobody else: 64 agents are asked at the same time', async () => {
    const agents = await Promise.all(Array.from({ length: AGENTS }, () => stage.agent()))
    const together = heldUntil(AGENTS)
    stage.model.routeBy(() => together({ text: 'ok' }))
    const answers = await Promise.all(agents.map((agent) => stage.send(agent, 'go')))
    expect(answers.map((answer) => answer.status)).toEqual(Array(AGENTS).fill(200))
  })
})

describe('a message that is sent again', () => {
  it('by a client that lost patience joins its turn: one run, one insert', async () => {
    const block = await stage.block('a')
    const agent = await stage.agent([block])
    const thirdTry = gate()
    let tries = 0
    const client = new Letta({
      apiKey: 'sk-ignored',
      baseURL: stage.product.url,
      timeout: 400,
      fetch: (url, init) => {
        tries += 1
        if (tries === 3) thirdTry.open()
        return fetch(url, init)
      },
    })
    const args = { label: 'notes', new_string: 'b' }
    stage.model.script([
      { toolCalls: [{ name: 'memory_insert', arguments: args }] },
      { text: 'done', holdUntil: thirdTry.opened },
    ])
    const body = { messages: [{ role: 'user' as const, content: 'insert b' }] }
    const { messages } = await client.agents.messages.create(agent, body)
    expect(messages.at(-1)).toMatchObject({ content: 'done' })
    expect(tries).toBe(3)
    stage.model.assertConsumed()
    expect(await turnsOf(agent)).toHaveLength(1)
    expect(await stage.events(block.id, /^TextInserted$/)).toHaveLength(1)
  })

  it('by an old client after a 5xx joins the failed turn: the model is asked once', async () => {
    const agent = await stage.agent()
    stage.model.script([{ status: 400, body: { error: { message: 'no' } } }])
    const client = new LettaClient({ token: 'sk-ignored', baseUrl: stage.product.url })
    const messages = [{ role: 'user' as const, content: 'go' }]
    const options = { maxRetries: 1 }
    await expect(client.agents.messages.create(agent, { messages }, options)).rejects.toMatchObject(
      {
        statusCode: 502,
      },
    )
    stage.model.assertConsumed()
    expect(await turnsOf(agent)).toHaveLength(1)
  })

  it('with the same Idempotency-Key or the same otid joins, while the turn runs and after its end', async () => {
    const agent = await stage.agent()
    const path = `/v1/agents/${agent}/messages`
    const sameKey = () =>
      stage.rest('POST', path, { input: 'by key' }, { 'Idempotency-Key': 'k-1' })
    const messages = [{ role: 'user', content: 'by otid', otid: 'otid-1' }]
    const sameOtid = () => stage.rest('POST', path, { messages })
    for (const send of [sameKey, sameOtid]) {
      stage.model.reset()
      const both = gate()
      stage.model.script([{ text: 'once', holdUntil: both.opened }])
      const first = send()
      await stage.model.requestsArrived(1)
      const second = send()
      await stage.rest('GET', '/v1/health/')
      both.open()
      const answers = [await first, await second, await send()]
      const ids = new Set(answers.map((answer) => answer.headers['x-run-id']))
      expect(ids.size).toBe(1)
      expect(answers.map((answer) => answer.text)).toEqual(Array(3).fill(answers[0]?.text))
      stage.model.assertConsumed()
    }
    expect(await turnsOf(agent)).toHaveLength(2)
  })

  it('with the same Idempotency-Key and another body is refused, and nothing is queued', async () => {
    const agent = await stage.agent()
    stage.model.script([{ text: 'ok' }])
    const path = `/v1/agents/${agent}/messages`
    const key = { 'Idempotency-Key': 'k-2' }
    expect((await stage.rest('POST', path, { input: 'one' }, key)).status).toBe(200)
    const other = await stage.rest('POST', path, { input: 'two' }, key)
    expect(other.status).toBe(422)
    expect(other.body).toMatchObject({ code: 'idempotency_key_reused' })
    expect(other.faults()).toEqual([])
    expect(await turnsOf(agent)).toHaveLength(1)
  })

  it('on purpose, without a sign of a retry, is another turn', async () => {
    const agent = await stage.agent()
    stage.model.script([{ text: 'one' }, { text: 'two' }])
    const [first, second] = [await stage.send(agent, 'go'), await stage.send(agent, 'go')]
    expect(first.headers['x-run-id']).not.toBe(second.headers['x-run-id'])
    expect(await turnsOf(agent)).toHaveLength(2)
  })
})
