import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { CLIENT_CALLS, type Story } from './support/client-calls.js'
import { golden } from './support/contract.js'
import { type LettaClients, lettaClients } from './support/letta-clients.js'
import { type Product, startProduct } from './support/product.js'
import { type Rest, restOf } from './support/rest.js'
import { filled, MUST, routeTable } from './support/route-table.js'
import { untilSigned } from './support/signed.js'
import { tellWireStory } from './support/wire-story.js'

let product: Product
let rest: Rest
let story: Story
let clients: LettaClients

beforeAll(async () => {
  product = await startProduct()
  rest = restOf(product.port)
  story = await tellWireStory(rest)
  await untilSigned(product.databaseUrl)
  clients = lettaClients(product.url)
})

afterAll(async () => {
  clients.restore()
  await product.close()
  expect(product.logged).toEqual([])
})

function ids(): Record<string, string> {
  const { agentId, blockId, label, runId, stepId, toolId, scheduleId } = story
  return {
    agent_id: agentId,
    block_id: blockId,
    label,
    run_id: runId,
    step_id: stepId,
    tool_id: toolId,
    schedule_id: scheduleId,
  }
}

const ROUTES = routeTable().map(({ method, path }) => [method, path] as const)

describe('the routes', () => {
  it('that clients must find are all there, and each has its call here', () => {
    const there = ROUTES.map(([method, path]) => `${method} ${path}`)
    expect(there).toEqual(expect.arrayContaining(MUST))
    expect(CLIENT_CALLS.map(({ route }) => route).sort()).toEqual([...MUST].sort())
  })

  const read = ROUTES.filter(
    ([method, path]) => method === 'GET' && !/^\/docs\/|\/stream$/.test(path),
  )
  it.each(read)(
    '%s %s answers JSON, the same with a slash at the end and without',
    async (method, path) => {
      const target = filled(path, ids())
      const bare = await rest(method, target)
      const slashed = await rest(method, `${target}/`)
      expect([bare.status, slashed.status]).toEqual([200, 200])
      expect(bare.headers['content-type']).toMatch(/^application\/json(;|$)/)
      expect(slashed.text).toBe(bare.text)
    },
  )

  it.each(ROUTES.filter(([method]) => method !== 'GET'))(
    '%s %s refuses the same with a slash at the end and without, without a redirect',
    async (method, path) => {
      const body = ['attach', 'detach', 'DELETE'].some((w) => `${method}${path}`.includes(w))
        ? undefined
        : []
      const same = { 'x-request-id': 'same' }
      const bare = await rest(method, filled(path), body, same)
      const slashed = await rest(method, `${filled(path)}/`, body, same)
      expect(bare.faults()).toEqual([])
      expect(bare.body.code).not.toBe('not_found')
      expect(slashed).toMatchObject({ status: bare.status, text: bare.text })
    },
  )
})

describe.each(['legacy', 'current'] as const)('the client of the %s generation', (generation) => {
  const calls = CLIENT_CALLS.filter((call) => call[generation] !== null)

  it.each(calls.map((call) => [call.route, call] as const))('calls %s', async (_route, call) => {
    const answer = await call[generation]?.(clients[generation] as never, story)
    expect(typeof answer).not.toBe('undefined')
    expect(typeof answer).not.toBe('string')
    expect(clients.warnings()).toEqual([])
  })
})

describe('pages of the 1.x client', () => {
  type Pages = AsyncIterable<{ id?: string | null }>
  const LISTS: Record<string, (c: LettaClients['current'], limit: number) => Pages> = {
    blocks: (c, limit) => c.blocks.list({ limit }),
    'agents of a block': (c, limit) => c.blocks.agents.list(story.blockId, { limit }) as Pages,
    agents: (c, limit) => c.agents.list({ limit }),
    'blocks of an agent': (c, limit) => c.agents.blocks.list(story.agentId, { limit }),
    'messages of an agent': (c, limit) => c.agents.messages.list(story.agentId, { limit }) as Pages,
    'tools of an agent': (c, limit) => c.agents.tools.list(story.agentId, { limit }),
    tools: (c, limit) => c.tools.list({ limit }),
    runs: (c, limit) => c.runs.list({ limit }),
    'messages of a run': (c, limit) => c.runs.messages.list(story.runId, { limit }) as Pages,
    'steps of a run': (c, limit) => c.runs.steps.list(story.runId, { limit }),
    steps: (c, limit) => c.steps.list({ limit }),
  }

  beforeAll(async () => {
    await rest('POST', `/v1/agents/${story.agentId}/messages`, { input: 'once more' })
    for (let i = 0; i < 3; i++) {
      const { block, agent } = await story.spare()
      await rest('PATCH', `/v1/blocks/${block}`, { label: `page ${i}` })
      await rest('PATCH', `/v1/agents/${story.agentId}/core-memory/blocks/attach/${block}`)
      await rest('PATCH', `/v1/agents/${agent}/core-memory/blocks/attach/${story.blockId}`)
    }
  })

  it.each(Object.keys(LISTS))('%s: iteration ends and visits each once', async (name) => {
    const list = LISTS[name] as (typeof LISTS)[string]
    const visit = async (limit: number): Promise<string[]> => {
      const seen: string[] = []
      for await (const item of list(clients.current, limit)) seen.push(item.id as string)
      return seen
    }
    const whole = await visit(1_000)
    expect(whole.length).toBeGreaterThan(2)
    expect(await visit(2)).toEqual(whole)
    if (!name.startsWith('messages')) expect(new Set(whole).size).toBe(whole.length)
  })
})

describe('the published samples', () => {
  const SAMPLES: [sample: string, method: string, path: string, body?: object][] = [
    ['block', 'GET', '/v1/blocks/:block_id'],
    ['block-list', 'GET', '/v1/blocks'],
    ['agent-state', 'GET', '/v1/agents/:agent_id'],
    ['agent-list', 'GET', '/v1/agents?include=agent.blocks&include=agent.tools'],
    ['tool', 'GET', '/v1/tools/:tool_id'],
    ['tool-list', 'GET', '/v1/tools'],
    ['run', 'GET', '/v1/runs/:run_id'],
    ['step', 'GET', '/v1/steps/:step_id'],
    ['step-list', 'GET', '/v1/runs/:run_id/steps'],
    ['usage', 'GET', '/v1/runs/:run_id/usage'],
    ['health', 'GET', '/v1/health'],
    ['message-list', 'GET', '/v1/runs/:run_id/messages'],
    ['letta-response', 'POST', '/v1/agents/:agent_id/messages', { input: 'hello' }],
    [
      'run-created',
      'POST',
      '/v1/agents/:agent_id/messages/async',
      { messages: [{ role: 'user', content: 'hello' }] },
    ],
    [
      'tool-execution-result',
      'POST',
      '/v1/agents/:agent_id/tools/memory_insert/run',
      { args: { label: 'x', new_string: 'x' } },
    ],
    ['error-not-found', 'GET', '/v1/blocks/block-00000000-0000-4000-8000-000000000000'],
    ['error-validation', 'POST', '/v1/blocks', { label: 1, value: 'x', limit: '1' }],
    [
      'error-conflict',
      'POST',
      '/v1/blocks/:block_id/replace',
      { old_string: 'the MemGPT paper', new_string: '', base_version: 2 },
    ],
    ['error-limit', 'POST', '/v1/blocks/:block_id/insert', { new_string: 'x'.repeat(4_001) }],
  ]

  beforeAll(async () => {
    const line = { new_string: 'Letta began as the MemGPT research project.' }
    await rest('POST', `/v1/blocks/${story.blockId}/insert`, line, { user_id: 'user-zoe' })
  })

  it.each(SAMPLES.map((sample) => [sample[0], sample] as const))(
    '%s: every key of it is in the live answer',
    async (name, [, method, path, body]) => {
      const answer = await rest<unknown>(method, filled(path, ids()), body)
      expect(missingKeys(golden<unknown>(name), answer.body, '')).toEqual([])
    },
  )
})

/** What clients put there, or tools describe. */
const FREE_FORM = ['metadata', 'json_schema']

/** Keys may only grow. Of lists the items are compared that say they are of one kind. */
function missingKeys(sample: unknown, live: unknown, at: string): string[] {
  if (Array.isArray(sample)) {
    if (!Array.isArray(live)) return [`${at} is no list`]
    return sample.flatMap((item, i) => {
      const kind = (item as { message_type?: string } | null)?.message_type
      const other = live.find((l) => l?.message_type === kind)
      return other === undefined ? [] : missingKeys(item, other, `${at}/${kind ?? i}`)
    })
  }
  if (typeof sample !== 'object' || sample === null) return []
  if (typeof live !== 'object' || live === null) return []
  return Object.entries(sample).flatMap(([key, value]) => {
    if (FREE_FORM.includes(key)) return []
    if (!(key in live)) return [`${at}/${key}`]
    return missingKeys(value, (live as Record<string, unknown>)[key], `${at}/${key}`)
  })
}
