import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals'
import { legacyClient, newClient, type TutorialClient } from './support/clients.js'
import { type Product, startProduct } from './support/product.js'

const redisUrl = process.env.PALIMPSEST_TEST_REDIS_URL
const QUEUES = [
  ['Postgres', undefined],
  ...(redisUrl ? [['Redis', redisUrl] as const] : []),
] as const

const question = (topic: string, name: string): string =>
  `Find information about ${topic}.\nInsert what you learn into the memory block, prepended with "${name}: ".`

describe.each(QUEUES)('the shared-memory tutorial, with the queue on %s', (_queue, redis) => {
  let product: Product
  let warn: ReturnType<typeof jest.spyOn>

  beforeAll(async () => {
    product = await startProduct({ redisUrl: redis })
    warn = jest.spyOn(console, 'warn').mockImplementation(() => {})
  })

  afterAll(async () => {
    warn.mockRestore()
    await product.close()
  })

  const get = async <T>(path: string): Promise<T> => {
    const response = await fetch(`${product.url}${path}`)
    expect(response.status).toBe(200)
    return (await response.json()) as T
  }

  it.each([
    ['1.12.1', newClient],
    ['0.1.211', legacyClient],
  ] as const)(
    'runs in client %s: both lines are there, the history is exact, two runs completed, no warning',
    async (_version, open) => {
      const client: TutorialClient = open(product.url)
      const block = await client.createBlock({
        label: 'organization',
        value: 'Organization: Letta',
        limit: 4000,
      })
      const agent1 = await client.createAgent({
        name: 'agent1',
        blockIds: [block.id],
        tools: ['web_search'],
      })
      const agent2 = await client.createAgent({ name: 'agent2', tools: ['web_search'] })
      await client.attach(agent2.id, block.id)

      const first = await client.send(
        agent1.id,
        question('the connection between memory blocks and Letta', 'Agent1'),
      )
      const second = await client.send(agent2.id, question('the origin of Letta', 'Agent2'))
      for (const messages of [first, second]) {
        const printed = messages.filter((m) => m.type === 'tool_call_message')
        expect(printed.map((m) => m.text.split('(')[0])).toEqual(['web_search', 'memory_insert'])
        expect(messages.at(-1)?.type).toBe('assistant_message')
        expect(messages.at(-1)?.text).toMatch(/^\[simulated\] /)
      }

      const { value } = await client.retrieveBlock(block.id)
      const [line0, line1, line2, ...rest] = value.split('\n')
      expect(line0).toBe('Organization: Letta')
      expect(line1).toMatch(/^Agent1: \[simulated\] \S/)
      expect(line2).toMatch(/^Agent2: \[simulated\] \S/)
      expect(rest).toEqual([])

      const history = await get<{
        data: { type: string; version: number; actor: { name?: string } }[]
      }>(`/v1/blocks/${block.id}/history?order=asc`)
      expect(history.data.map((event) => [event.version, event.type, event.actor.name])).toEqual([
        [1, 'BlockCreated', undefined],
        [2, 'AgentAttached', undefined],
        [3, 'AgentAttached', undefined],
        [4, 'TextInserted', 'agent1'],
        [5, 'TextInserted', 'agent2'],
      ])
      for (const agent of [agent1, agent2]) {
        const runs = await get<{ status: string; metadata: object }[]>(
          `/v1/runs/?agent_id=${agent.id}`,
        )
        expect(runs).toMatchObject([{ status: 'completed', metadata: { simulated: true } }])
      }
      expect(warn).not.toHaveBeenCalled()
      expect(product.logged).toEqual([])
    },
  )

  it('a read-only block is refused to its agent, which says so, and open to the API', async () => {
    const client = newClient(product.url)
    const value = 'Company Policy: Always be helpful and respectful.'
    const policies = await client.createBlock({ label: 'policies', value, readOnly: true })
    const agent = await client.createAgent({
      name: 'policy_agent',
      blockIds: [policies.id],
      tools: ['web_search'],
    })
    const messages = await client.send(agent.id, question('the origin of Letta', 'Policy'))
    expect((await client.retrieveBlock(policies.id)).value).toBe(value)
    const refusals = messages.filter((m) => m.type === 'tool_return_message')
    expect(messages.at(-1)?.text).toMatch(/read-only/)
    expect(refusals.length).toBeGreaterThan(0)
    const patched = await fetch(`${product.url}/v1/blocks/${policies.id}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ value: 'v2' }),
    })
    expect(patched.status).toBe(200)
    expect((await client.retrieveBlock(policies.id)).value).toBe('v2')
  })

  it('both agents at once: both lines are there', async () => {
    const client = newClient(product.url)
    const block = await client.createBlock({ label: 'organization', value: 'Organization: Letta' })
    const agents = await Promise.all(
      ['Agent1', 'Agent2'].map((name) =>
        client.createAgent({ name, blockIds: [block.id], tools: ['web_search'] }),
      ),
    )
    await Promise.all(
      agents.map(({ id }, i) => client.send(id, question('the origin of Letta', `Agent${i + 1}`))),
    )
    const { value } = await client.retrieveBlock(block.id)
    expect(
      value
        .split('\n')
        .slice(1)
        .map((line) => line.split(':')[0])
        .sort(),
    ).toEqual(['Agent1', 'Agent2'])
  })

  it('says in every answer that model and search are stand-ins', async () => {
    const response = await fetch(`${product.url}/v1/health/`)
    expect(response.headers.get('x-palimpsest-simulated')).toBe('model,search')
  })
})
