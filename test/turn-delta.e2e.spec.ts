import { afterEach, describe, expect, it } from '@jest/globals'
import { newClient } from './support/clients.js'
import { until } from './support/feed-load.js'
import {
  type ModelServerRequest,
  type ModelStep,
  ScriptedModelServer,
  type ServerMessage,
} from './support/model-server.js'
import { type Product, startProduct } from './support/product.js'
import { type Rest, restOf } from './support/rest.js'

let product: Product
let model: ScriptedModelServer
let rest: Rest

afterEach(async () => {
  await product.close()
  await model.close()
  expect(product.logged).toEqual([])
})

async function start(): Promise<void> {
  model = await ScriptedModelServer.start()
  product = await startProduct({
    env: { OPENAI_BASE_URL: model.url, OPENAI_API_KEY: 'none', PALIMPSEST_SIMULATED: 'never' },
  })
  rest = restOf(product.port)
}

const LINES = Array.from({ length: 60 }, (_, i) => `fact ${i}: ${'words that stay '.repeat(4)}`)
const tokens = (messages: readonly ServerMessage[]) =>
  Math.ceil(JSON.stringify(messages).length / 4)

/** An agent that writes to its own notes, while its plan is edited by `meanwhile` before each step but the first. */
async function turnWhile(
  meanwhile: (planId: string, step: number) => Promise<unknown>,
  settings: object = {},
): Promise<{ requests: readonly ModelServerRequest[]; planId: string; runId: string }> {
  const client = newClient(product.url)
  const plan = await client.createBlock({ label: 'plan', value: LINES.join('\n') })
  const notes = await client.createBlock({ label: 'notes', value: 'mine' })
  const agent = await client.createAgent({ name: 'agent1', blockIds: [plan.id, notes.id] })
  const changed = await rest('PATCH', `/v1/agents/${agent.id}`, settings)
  if (changed.status !== 200) throw new Error(changed.text)
  let step = 0
  model.routeBy(() => ({
    async respond() {
      step++
      if (step === 4) return { text: 'done' }
      await meanwhile(plan.id, step)
      const args = { label: 'notes', new_string: `note ${step}` }
      return { toolCalls: [{ name: 'memory_insert', arguments: args }] }
    },
  }))
  await client.send(agent.id, 'go')
  const runs = await rest<{ id: string }[]>('GET', `/v1/runs?agent_id=${agent.id}`)
  return { requests: model.requests, planId: plan.id, runId: runs.body[0]?.id as string }
}

describe('a turn while others edit its blocks', () => {
  it('is told at each step what changed, behind everything sent before, in a fraction of the tokens', async () => {
    await start()
    const { requests, planId } = await turnWhile((id, step) =>
      rest('POST', `/v1/blocks/${id}/replace`, {
        old_string: `fact ${step}:`,
        new_string: `FACT ${step} by others:`,
      }),
    )
    expect(requests).toHaveLength(4)
    for (const [i, { messages }] of requests.entries()) {
      const before = requests[i - 1]?.messages ?? []
      expect(messages.slice(0, before.length)).toEqual(before)
      if (i === 0) continue
      const news = messages.at(-1)
      expect(news?.role).toBe('user')
      expect(news?.content).toContain('<memory_updates>')
      expect(news?.content).toContain(`"fact ${i}:" -> "FACT ${i} by others:"`)
      expect(news?.content).not.toContain(`FACT ${i - 1} by`)
      expect(news?.content).not.toContain('note')
    }
    const [first, last] = [requests[0]?.messages ?? [], requests.at(-1)?.messages ?? []]
    const { body } = await rest<{ value: string }>('GET', `/v1/blocks/${planId}`)
    const rendered = String(first[0]?.content).replace(LINES.join('\n'), body.value)
    const whole = tokens([{ role: 'system', content: rendered }])
    const told = tokens(last.filter(({ content }) => content?.includes('<memory_updates>')))
    console.log(
      `news of 3 edits: ${told} tokens, against ${3 * whole} for the prompt rendered anew at 3 steps: ${(told / (3 * whole)).toFixed(3)}`,
    )
    expect(told).toBeLessThan(0.2 * 3 * whole)
  })

  it('knows what it was told: an edit of its own names that version, and sees nothing as unseen', async () => {
    await start()
    const client = newClient(product.url)
    const plan = await client.createBlock({ label: 'plan', value: 'status: draft' })
    const agent = await client.createAgent({ name: 'agent1', blockIds: [plan.id] })
    const words = (old_string: string, new_string: string) => ({
      label: 'plan',
      old_string,
      new_string,
    })
    let step = 0
    const answer = async (): Promise<ModelStep> => {
      step++
      if (step === 1) {
        await rest('POST', `/v1/blocks/${plan.id}/replace`, {
          old_string: 'draft',
          new_string: 'in review',
        })
        return { toolCalls: [{ name: 'conversation_search', arguments: { query: 'x' } }] }
      }
      if (step === 2) {
        const args = words('in review', 'FINAL')
        return { toolCalls: [{ name: 'memory_replace', arguments: args }] }
      }
      return { text: 'done' }
    }
    model.routeBy(() => ({ respond: answer }))
    await client.send(agent.id, 'go')
    const { body } = await rest<{ data: Record<string, unknown>[] }>(
      'GET',
      `/v1/blocks/${plan.id}/history?order=desc&limit=1`,
    )
    expect(body.data[0]).toMatchObject({
      type: 'TextReplaced',
      base_version: 3,
      receipt: { matched: 'exact', unseen: [] },
    })
  })

  it('is told nothing where its agent says so', async () => {
    await start()
    const { requests } = await turnWhile(
      (id) => rest('POST', `/v1/blocks/${id}/insert`, { new_string: 'theirs' }),
      { memory_updates: false },
    )
    expect(JSON.stringify(requests.at(-1)?.messages)).not.toContain('memory_updates')
  })

  it('that was cut off asks again with the same words', async () => {
    await start()
    const { runId } = await turnWhile((id) =>
      rest('POST', `/v1/blocks/${id}/insert`, { new_string: 'theirs' }),
    )
    let asked: { payload: { delta?: object; step: number } }[] = []
    // A transaction of another spec may hold up the feed.
    await until(async () => {
      const { body } = await rest<{ data: typeof asked }>(
        'GET',
        '/v1/events?types=ModelRequested&limit=100',
      )
      asked = body.data
      return asked.length >= 4
    })
    const deltas = asked.filter(({ payload }) => payload.delta)
    expect(deltas.map(({ payload }) => payload.step)).toEqual([2, 3, 4])
    expect(runId).toMatch(/^run-/)
  })
})
