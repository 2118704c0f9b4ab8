import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type INestApplication, Module } from '@nestjs/common'
import { CqrsModule } from '@nestjs/cqrs'
import { ChangeAgentHandler } from '#commands/change-agent.js'
import { ensureBuiltinTools } from '#commands/tools-table.js'
import { Writer } from '#event-store/writer.js'
import { toolsByNames } from '#read-models/tools.js'
import { BUILTIN_TOOLS } from '#turns/builtin-tools.js'
import { type LettaClients, lettaClients } from '../../test/support/letta-clients.js'
import { openTurnStory, type TurnStory } from '../../test/support/turn-story.js'
import { AgentToolsController } from './agent-tools.controller.js'
import { createServer } from './http/server.js'
import { TENANT } from './tenant.js'
import { DATABASE, POOL } from './tokens.js'
import { ToolsController } from './tools.controller.js'

const ROLL = 'def roll(sides: int) -> int:\n    """Rolls."""\n    return 4\n'

let story: TurnStory
let app: INestApplication
let clients: LettaClients
let url: string

beforeAll(async () => {
  story = await openTurnStory()
  await ensureBuiltinTools(story.db, TENANT, BUILTIN_TOOLS)

  @Module({
    imports: [CqrsModule],
    controllers: [AgentToolsController, ToolsController],
    providers: [
      ChangeAgentHandler,
      { provide: Writer, useValue: story.writer },
      { provide: DATABASE, useValue: story.db },
      { provide: POOL, useValue: story.pool },
    ],
  })
  class Fixture {}

  app = await createServer(Fixture, { apiKey: null })
  await app.listen(0, '127.0.0.1')
  url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`
  clients = lettaClients(url)
})

afterAll(async () => {
  expect(clients.warnings()).toEqual([])
  clients.restore()
  await app.close()
  await story.close()
})

async function send(method: string, path: string, body?: object, headers = {}) {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  const answer: unknown = await response.json()
  return { status: response.status, body: answer as Record<string, unknown> & { id: string } }
}

async function builtin(name: string): Promise<string> {
  const [tool] = await toolsByNames(story.db, TENANT, [name])
  return tool?.tool_id ?? ''
}

describe('tools', () => {
  it('that come with the service are there before the first call, in both clients', async () => {
    const [tool] = await clients.legacy.tools.list({ name: 'web_search' })
    expect(tool).toMatchObject({ name: 'web_search', toolType: 'letta_builtin' })
    const { current, legacy } = clients
    const names: string[] = []
    for await (const { name } of current.tools.list({ limit: 2 })) names.push(name ?? '')
    expect(names.sort()).toEqual(BUILTIN_TOOLS.map((builtin) => builtin.name).sort())
    expect(await legacy.tools.count()).toBe(BUILTIN_TOOLS.length)
    expect(await legacy.tools.count({ excludeLettaTools: true })).toBe(0)
    expect(await current.tools.retrieve(tool?.id ?? '')).toMatchObject({ name: 'web_search' })
  })

  it('that come with the service cannot be changed or deleted', async () => {
    const id = await builtin('web_search')
    const refusal = { status: 403, body: { code: 'tool_built_in', name: 'web_search' } }
    expect(await send('PATCH', `/v1/tools/${id}`, { description: 'x' })).toMatchObject(refusal)
    expect(await send('DELETE', `/v1/tools/${id}`)).toMatchObject(refusal)
    const mine = { json_schema: { name: 'web_search' } }
    expect(await send('PUT', '/v1/tools/', mine)).toMatchObject(refusal)
    expect(await send('POST', '/v1/tools/', mine)).toMatchObject({
      status: 409,
      body: { code: 'name_taken' },
    })
  })

  it('are made, upserted, changed and deleted by both clients', async () => {
    const { current, legacy } = clients
    const made = await legacy.tools.create({ sourceCode: ROLL, description: 'Rolls.' })
    expect(made).toMatchObject({ name: 'roll', toolType: 'custom', sourceType: 'python' })
    await expect(current.tools.create({ source_code: ROLL })).rejects.toMatchObject({
      status: 409,
    })
    const upserted = await current.tools.upsert({ source_code: ROLL, tags: ['dice'] })
    expect(upserted).toMatchObject({ id: made.id, tags: ['dice'], source_code: ROLL })
    const changed = await current.tools.update(upserted.id, { description: 'Better.' })
    expect(changed).toMatchObject({
      description: 'Better.',
      tags: ['dice'],
      json_schema: { name: 'roll', description: 'Better.' },
    })
    const renamed = { source_code: 'def other():\n  pass' }
    expect(await send('PATCH', `/v1/tools/${upserted.id}`, renamed)).toMatchObject({
      status: 422,
      body: { code: 'invalid_argument', errors: [{ pointer: '/name' }] },
    })
    await current.tools.delete(upserted.id)
    expect(await send('DELETE', `/v1/tools/${upserted.id}`)).toMatchObject({
      status: 404,
      body: { code: 'tool_not_found' },
    })
  })

  it('repeated with one Idempotency-Key are one tool', async () => {
    const headers = { 'idempotency-key': 'make-dice' }
    const body = { json_schema: { name: 'dice' } }
    const first = await send('POST', '/v1/tools/', body, headers)
    expect(await send('POST', '/v1/tools/', body, headers)).toEqual(first)
    const other = { json_schema: { name: 'other' } }
    expect(await send('POST', '/v1/tools/', other, headers)).toMatchObject({
      status: 422,
      body: { code: 'idempotency_key_reused' },
    })
    await send('DELETE', `/v1/tools/${first.body.id}`)
  })
})

describe("an agent's tools", () => {
  it('are attached, listed and detached, each once however often it is asked', async () => {
    const { current, legacy } = clients
    const agentId = await story.createAgent()
    const toolId = await builtin('memory_rethink')
    for (let i = 0; i < 2; i++) {
      const { body } = await send('PATCH', `/v1/agents/${agentId}/tools/attach/${toolId}`)
      expect(body).toMatchObject({ id: agentId, tools: [{ id: toolId }] })
    }
    expect((await legacy.agents.tools.list(agentId)).map((tool) => tool.id)).toEqual([toolId])
    const page = await current.agents.tools.list(agentId)
    expect(page.getPaginatedItems()).toMatchObject([{ id: toolId }])
    for (let i = 0; i < 2; i++) {
      const agent = await legacy.agents.tools.detach(agentId, toolId)
      expect(agent.tools).toEqual([])
    }
  })

  it('lose a tool that is deleted', async () => {
    const agentId = await story.createAgent()
    const { body: tool } = await send('POST', '/v1/tools/', { json_schema: { name: 'doomed' } })
    await send('PATCH', `/v1/agents/${agentId}/tools/attach/${tool.id}`)
    expect(await send('DELETE', `/v1/tools/${tool.id}`)).toEqual({ status: 200, body: null })
    expect(await send('GET', `/v1/agents/${agentId}/tools`)).toEqual({ status: 200, body: [] })
    const row = await story.db
      .selectFrom('agents')
      .select('tool_ids')
      .where('agent_id', '=', agentId)
      .executeTakeFirst()
    expect(row).toEqual({ tool_ids: [] })
  })

  it.each([
    ['attach', 'tool-00000000-0000-4000-8000-000000000000', 'tool_not_found'],
    ['attach', 'nonsense', 'invalid_id'],
    ['detach', 'tool-00000000-0000-4000-8000-000000000000', 'agent_not_found'],
  ])('%s of %s to nobody is refused: %s', async (verb, toolId, code) => {
    const agentId = 'agent-00000000-0000-4000-8000-000000000000'
    const { body } = await send('PATCH', `/v1/agents/${agentId}/tools/${verb}/${toolId}`)
    expect(body).toMatchObject({ code })
  })
})
