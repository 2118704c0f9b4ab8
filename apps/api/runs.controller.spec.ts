import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type INestApplication, Module } from '@nestjs/common'
import { CqrsModule } from '@nestjs/cqrs'
import { ChangeAgentHandler } from '#commands/change-agent.js'
import { ensureBuiltinTools } from '#commands/tools-table.js'
import { Feed } from '#event-store/feed.js'
import { Writer } from '#event-store/writer.js'
import { BUILTIN_TOOLS } from '#turns/builtin-tools.js'
import type { Model } from '#turns/ports.js'
import { TurnWaiters } from '#turns/turn-waiters.js'
import { type LettaClients, lettaClients } from '../../test/support/letta-clients.js'
import { calls, openTurnStory, type TurnStory } from '../../test/support/turn-story.js'
import { AgentToolsController } from './agent-tools.controller.js'
import { HealthController } from './health.controller.js'
import { createServer } from './http/server.js'
import { MessagesController } from './messages.controller.js'
import { ModelsController } from './models.controller.js'
import { RunsController } from './runs.controller.js'
import { StepsController } from './steps.controller.js'
import { TENANT } from './tenant.js'
import { DATABASE, DURABILITY, FEED, POOL, PROVIDERS, TURN_WAITERS } from './tokens.js'
import { ToolsController } from './tools.controller.js'

const MODEL = {
  handle: 'openai/gpt-4o-mini',
  provider: 'openai',
  name: 'gpt-4o-mini',
  contextWindow: 128_000,
  simulated: true,
}

let story: TurnStory
let waiters: TurnWaiters
let app: INestApplication
let clients: LettaClients
let url: string
let agentId: string
let runs: [string, string, string]

beforeAll(async () => {
  story = await openTurnStory()
  waiters = new TurnWaiters(story.db, TENANT)
  await ensureBuiltinTools(story.db, TENANT, BUILTIN_TOOLS)
  const model: Pick<Model, 'list'> = { list: async () => [MODEL] }

  @Module({
    imports: [CqrsModule],
    controllers: [
      AgentToolsController,
      HealthController,
      MessagesController,
      ModelsController,
      RunsController,
      StepsController,
      ToolsController,
    ],
    providers: [
      ChangeAgentHandler,
      { provide: Writer, useValue: story.writer },
      { provide: DATABASE, useValue: story.db },
      { provide: POOL, useValue: story.pool },
      { provide: DURABILITY, useValue: 'degraded' },
      { provide: FEED, useValue: new Feed({ reads: story.pool }) },
      { provide: PROVIDERS, useValue: { model } },
      { provide: TURN_WAITERS, useValue: waiters },
    ],
  })
  class Fixture {}

  app = await createServer(Fixture, { apiKey: null })
  await app.listen(0, '127.0.0.1')
  url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`
  clients = lettaClients(url)
  agentId = await story.createAgent()
  const spoken = calls(1, ['send_message', { message: 'hello' }])
  runs = [
    await story.run(agentId, 'speak', [
      { reply: { tool_calls: spoken }, returns: [{ status: 'success', result: 'sent' }] },
    ]),
    await story.run(agentId, 'search', [
      {
        reply: { reasoning: 'hm', tool_calls: calls(1, ['web_search', { query: 'a' }]) },
        returns: [{ status: 'error', result: 'no key' }],
      },
      { reply: { content: 'nothing found' } },
    ]),
    await story.queue(agentId, 'wait', { background: true }),
  ]
})

afterAll(async () => {
  clients.restore()
  await app.close()
  waiters.close()
  await story.close()
})

async function get(path: string): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${url}${path}`)
  return { status: response.status, body: await response.json() }
}

const TYPES = [
  'system_message',
  'user_message',
  'assistant_message',
  'user_message',
  'reasoning_message',
  'tool_call_message',
  'tool_return_message',
  'assistant_message',
  'user_message',
]

describe("an agent's messages", () => {
  it('are parsed by both clients, speech shown as what was said', async () => {
    const messages = await clients.legacy.agents.messages.list(agentId)
    expect(messages.map((message) => message.messageType).sort()).toEqual([...TYPES].sort())
    const page = await clients.current.agents.messages.list(agentId, { order: 'asc' })
    expect(page.getPaginatedItems().map((message) => message.message_type)).toEqual(TYPES)
    expect(clients.warnings()).toEqual([])
  })

  it.each(['asc', 'desc'] as const)(
    'are iterated %s to the end, past stored messages of which nothing is shown',
    async (order) => {
      const seen: string[] = []
      const messages = clients.current.agents.messages.list(agentId, { limit: 1, order })
      for await (const message of messages) seen.push(message.message_type ?? '')
      expect(seen.sort()).toEqual([...TYPES].sort())
    },
  )

  it('of one kind are found however far apart they are', async () => {
    const { body } = await get(
      `/v1/agents/${agentId}/messages?include_return_message_types=system_message&limit=1`,
    )
    expect(body).toMatchObject([{ message_type: 'system_message' }])
  })

  it('of no agent are not found; an unknown cursor does not start again', async () => {
    const nobody = agentId.replace(/^agent-......../, 'agent-00000000')
    expect(await get(`/v1/agents/${nobody}/messages`)).toMatchObject({
      status: 404,
      body: { code: 'agent_not_found', detail: 'Agent not found' },
    })
    const cursor = nobody.replace('agent', 'message')
    expect(await get(`/v1/agents/${agentId}/messages?after=${cursor}`)).toMatchObject({
      status: 400,
      body: { code: 'invalid_cursor' },
    })
    expect(await get(`/v1/agents/${agentId}/messages?limit=1001`)).toMatchObject({
      status: 422,
      body: { code: 'invalid_query' },
    })
  })
})

describe('runs', () => {
  it('are listed by both clients with their own filters', async () => {
    const { legacy, current } = clients
    const ids = async (list: Promise<{ getPaginatedItems(): { id: string }[] }>) =>
      (await list).getPaginatedItems().map((run) => run.id)
    const [first, second, waiting] = runs
    const ascending = await legacy.runs.list({ agentIds: agentId, ascending: true })
    expect(ascending.map((run) => run.id)).toEqual([first, second, waiting])
    expect(await ids(current.runs.list({ agent_id: agentId }))).toEqual([waiting, second, first])
    expect(await ids(current.runs.list({ statuses: ['created'] }))).toEqual([waiting])
    expect(await ids(current.runs.list({ active: true }))).toEqual([waiting])
    expect(await ids(current.runs.list({ background: true }))).toEqual([waiting])
    expect(await ids(current.runs.list({ stop_reason: 'end_turn' }))).toEqual([second])
    expect((await legacy.runs.listActive()).map((run) => run.id)).toEqual([waiting])
    expect(await ids(current.runs.list({ statuses: ['cancelled'] }))).toEqual([])
    expect(clients.warnings()).toEqual([])
  })

  it('have their messages, steps and usage', async () => {
    const { legacy, current } = clients
    const [spoke, searched] = runs
    expect(await legacy.runs.retrieve(searched)).toMatchObject({ status: 'completed' })
    const messages = await legacy.runs.messages.list(searched)
    expect(messages.map((message) => message.messageType)).toEqual(TYPES.slice(3, 8))
    expect((await legacy.runs.messages.list(spoke)).map((m) => m.messageType)).toEqual(
      TYPES.slice(1, 3),
    )
    const steps = (await current.runs.steps.list(searched)).getPaginatedItems()
    expect(steps.map((step) => step.stop_reason)).toEqual(['end_turn', null])
    expect((await legacy.runs.steps.list(searched)).map((step) => step.id)).toEqual(
      steps.map((step) => step.id),
    )
    expect(await current.runs.usage.retrieve(searched)).toMatchObject({ total_tokens: 30 })
    const step = await current.steps.retrieve(steps[1]?.id ?? '')
    expect(step).toEqual(steps[1])
    expect(await get(`/v1/steps/${step.id}/messages`)).toMatchObject({
      body: [{ run_id: searched }, { message_type: 'tool_call_message' }, { status: 'error' }],
    })
    const all = (await current.steps.list({ agent_id: agentId, order: 'asc' })).getPaginatedItems()
    expect(all.map((s) => s.run_id)).toEqual([spoke, searched, searched])
    expect(clients.warnings()).toEqual([])
  })

  it.each([
    ['/v1/runs/run-00000000-0000-4000-8000-000000000000', 404, 'run_not_found'],
    ['/v1/runs/run-00000000-0000-4000-8000-000000000000/steps', 404, 'run_not_found'],
    ['/v1/steps/step-00000000-0000-4000-8000-000000000000', 404, 'step_not_found'],
    ['/v1/runs/nonsense', 422, 'invalid_id'],
    ['/v1/runs/?limit=0', 422, 'invalid_query'],
    ['/v1/runs/?limit=1001', 422, 'invalid_query'],
    ['/v1/runs/?statuses=odd', 422, 'invalid_query'],
    ['/v1/runs/?agent_id=odd', 422, 'invalid_query'],
    ['/v1/steps/?start_date=odd', 422, 'invalid_query'],
    ['/v1/steps/?after=odd', 400, 'invalid_cursor'],
  ])('%s is refused', async (path, status, code) => {
    expect(await get(path)).toMatchObject({ status, body: { code } })
  })
})

it('models are listed for both clients, and say that they are simulated', async () => {
  expect(await clients.current.models.list()).toMatchObject([
    { handle: 'openai/gpt-4o-mini', provider_type: 'openai', simulated: true },
  ])
  expect(await clients.legacy.models.list()).toMatchObject([{ contextWindow: 128_000 }])
  expect(await get('/v1/models/embedding')).toEqual({ status: 200, body: [] })
  expect(clients.warnings()).toEqual([])
})

it('the service says that it is there, and whether it is ready', async () => {
  expect(await clients.current.health()).toEqual({
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    status: 'ok',
  })
  expect(await clients.legacy.health.check()).toMatchObject({ status: 'ok' })
  expect(await get('/health/live')).toMatchObject({ status: 200 })
  expect(await get('/health/ready')).toMatchObject({
    status: 200,
    body: { status: 'ok', durability: 'degraded' },
  })
  const broken = new HealthController(
    {
      query: () => Promise.reject(new Error('refused')),
    } as unknown as ConstructorParameters<typeof HealthController>[0],
    'ok',
    new Feed({ reads: story.pool }),
  )
  await expect(broken.ready()).rejects.toMatchObject({
    code: 'not_ready',
    facts: { waiting_for: ['database'] },
  })
})

describe('a run that is waited for', () => {
  it('is told as soon as it has ended, and as it is once the time is over', async () => {
    const runId = await story.queue(agentId, 'later')
    expect(await get(`/v1/runs/${runId}?wait=1`)).toMatchObject({ body: { status: 'created' } })
    const waited = get(`/v1/runs/${runId}?wait=60`)
    while (waiters.awaited === 0) await new Promise(setImmediate)
    await story.fail(agentId, runId, 'Provider.BadRequest')
    expect(await waited).toMatchObject({ body: { id: runId, status: 'failed' } })
    expect(await get(`/v1/runs/${runId}?wait=60`)).toMatchObject({ body: { status: 'failed' } })
    expect(await get(`/v1/runs/${runId}?wait=61`)).toMatchObject({ status: 422 })
  })
})
