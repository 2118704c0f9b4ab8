import { afterEach, describe, expect, it } from '@jest/globals'
import { newClient } from './support/clients.js'
import { ScriptedModelServer } from './support/model-server.js'
import { type Product, startProduct } from './support/product.js'
import { heldUntil } from './support/scripted-server.js'

let product: Product
let model: ScriptedModelServer

afterEach(async () => {
  await product.close()
  await model.close()
})

async function start(): Promise<void> {
  model = await ScriptedModelServer.start()
  product = await startProduct({
    env: { OPENAI_BASE_URL: model.url, OPENAI_API_KEY: 'none', PALIMPSEST_SIMULATED: 'never' },
  })
}

/** The text of the last message the model was sent. */
function said(request: { messages: readonly { role: string; content?: unknown }[] }): {
  role: string
  text: string
} {
  const last = request.messages.at(-1)
  return { role: last?.role ?? '', text: String(last?.content ?? '') }
}

describe('turns that overlap', () => {
  it('16 agents that all read the block before any writes: 16 of 16 lines are there, none refused, no other block changes', async () => {
    await start()
    const client = newClient(product.url)
    const shared = await client.createBlock({ label: 'shared', value: 'first' })
    const other = await client.createBlock({ label: 'other', value: 'untouched\tbytes' })
    const names = Array.from({ length: 16 }, (_, i) => `agent${i}`)
    const agents = await Promise.all(
      names.map((name) => client.createAgent({ name, blockIds: [shared.id, other.id] })),
    )
    const together = heldUntil(16)
    model.routeBy((request) => {
      const { role, text } = said(request)
      if (role === 'tool') return { text: 'done' }
      const args = JSON.stringify({ label: 'shared', new_string: `line of ${text}` })
      return together({ toolCalls: [{ name: 'memory_insert', arguments: args }] })
    })
    const answers = await Promise.all(
      agents.map(({ id }, i) => client.send(id, names[i] as string)),
    )
    const { value } = await client.retrieveBlock(shared.id)
    const expected = names.map((name) => `line of ${name}`)
    expect(value.split('\n').slice(1).sort()).toEqual(expected.sort())
    expect(answers.flat().filter((m) => m.type === 'tool_return_message')).toHaveLength(16)
    expect((await client.retrieveBlock(other.id)).value).toBe('untouched\tbytes')
    const runs = (await (await fetch(`${product.url}/v1/runs/?limit=100`)).json()) as {
      status: string
    }[]
    expect(runs.map((run) => run.status)).toEqual(Array(16).fill('completed'))
    expect(model.unexpected).toEqual([])
  })

  it('a replace whose target another agent has replaced is refused, changes nothing and says who did it', async () => {
    await start()
    const client = newClient(product.url)
    const block = await client.createBlock({ label: 'plan', value: 'status: draft' })
    const agents = await Promise.all(
      ['agent1', 'agent2'].map((name) => client.createAgent({ name, blockIds: [block.id] })),
    )
    const returns: string[] = []
    const together = heldUntil(2)
    model.routeBy((request) => {
      const { role, text } = said(request)
      if (role === 'tool') {
        returns.push(text)
        return { text: 'done' }
      }
      const args = JSON.stringify({ label: 'plan', old_string: 'draft', new_string: text })
      return together({ toolCalls: [{ name: 'memory_replace', arguments: args }] })
    })
    await Promise.all(agents.map(({ id }, i) => client.send(id, i === 0 ? 'FINAL' : 'in review')))
    const { value } = await client.retrieveBlock(block.id)
    expect(['status: FINAL', 'status: in review']).toContain(value)
    const refused = returns.filter((text) => text.startsWith('rejected replace_no_match'))
    expect(refused).toHaveLength(1)
    expect(refused[0]).toMatch(/Nothing was changed/)
    expect(refused[0]).toMatch(
      /You had seen v3\. Since then: v4 agent[12] replaced line 1: "draft" -> "(FINAL|in review)"/,
    )
    expect(refused[0]).toContain(`--- current text (v4) ---\n${value}`)
  })

  it('an edit names the version its agent was shown', async () => {
    await start()
    const client = newClient(product.url)
    const block = await client.createBlock({ label: 'notes', value: 'a' })
    const agent = await client.createAgent({ name: 'agent1', blockIds: [block.id] })
    model.routeBy((request) => {
      if (said(request).role === 'tool') return { text: 'done' }
      return {
        toolCalls: [{ name: 'memory_insert', arguments: '{"label":"notes","new_string":"b"}' }],
      }
    })
    await client.send(agent.id, 'go')
    const response = await fetch(`${product.url}/v1/blocks/${block.id}/history?order=desc&limit=1`)
    const { data } = (await response.json()) as { data: object[] }
    expect(data).toMatchObject([{ version: 3, type: 'TextInserted', base_version: 2, step: 1 }])
  })
})
