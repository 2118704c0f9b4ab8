import type { LettaClients } from './letta-clients.js'
import { chunksOf } from './run-streams.js'

/** What the calls are about; each call may use up what `spare` makes. */
export interface Story {
  readonly agentId: string
  /** Attached to the agent. */
  readonly blockId: string
  readonly label: string
  readonly runId: string
  readonly stepId: string
  readonly toolId: string
  readonly scheduleId: string
  /** Things of its own, not attached to anything. */
  spare(): Promise<{ block: string; agent: string; tool: string }>
}

type Call<Client> = (client: Client, story: Story) => Promise<unknown>

/** A route, and the method that calls it in each generation of the client; null where there is none. */
export interface ClientCall {
  readonly route: string
  readonly legacy: Call<LettaClients['legacy']> | null
  readonly current: Call<LettaClients['current']> | null
}

const MODEL = 'openai/gpt-4o-mini'
const TOOL = { source_code: 'def roll(): pass', json_schema: { name: 'roll' } }
const messages = [{ role: 'user' as const, content: 'hello' }]
const AGENTS = '/v1/agents/:agent_id'

function call(
  route: string,
  legacy: ClientCall['legacy'],
  current: ClientCall['current'],
): ClientCall {
  return { route, legacy, current }
}

export const CLIENT_CALLS: readonly ClientCall[] = [
  call(
    'GET /v1/health',
    (c) => c.health.check(),
    (c) => c.health(),
  ),
  call(
    'GET /v1/models',
    (c) => c.models.list(),
    (c) => c.models.list(),
  ),
  call(
    'POST /v1/blocks',
    (c) => c.blocks.create({ label: 'b', value: 'x', readOnly: true, limit: 9 }),
    (c) => c.blocks.create({ label: 'b', value: 'x', read_only: true, limit: 9 }),
  ),
  call(
    'GET /v1/blocks',
    (c) => c.blocks.list({ label: 'b' }),
    (c) => c.blocks.list({ label: 'b' }),
  ),
  call('GET /v1/blocks/count', (c) => c.blocks.count(), null),
  call(
    'GET /v1/blocks/:block_id',
    (c, s) => c.blocks.retrieve(s.blockId),
    (c, s) => c.blocks.retrieve(s.blockId),
  ),
  call(
    'PATCH /v1/blocks/:block_id',
    (c, s) => c.blocks.modify(s.blockId, { description: 'old client' }),
    (c, s) => c.blocks.update(s.blockId, { description: 'new client' }),
  ),
  call(
    'DELETE /v1/blocks/:block_id',
    async (c, s) => c.blocks.delete((await s.spare()).block),
    async (c, s) => c.blocks.delete((await s.spare()).block),
  ),
  call(
    'GET /v1/blocks/:block_id/agents',
    (c, s) => c.blocks.agents.list(s.blockId),
    (c, s) => c.blocks.agents.list(s.blockId),
  ),
  call(
    'POST /v1/agents',
    (c) => c.agents.create({ model: MODEL, memoryBlocks: [{ label: 'm', value: 'x' }] }),
    (c) => c.agents.create({ model: MODEL, memory_blocks: [{ label: 'm', value: 'x' }] }),
  ),
  call(
    'GET /v1/agents',
    (c) => c.agents.list(),
    (c) => c.agents.list({ include: ['agent.blocks', 'agent.tools'] }),
  ),
  call('GET /v1/agents/count', (c) => c.agents.count(), null),
  call(
    `GET ${AGENTS}`,
    (c, s) => c.agents.retrieve(s.agentId),
    (c, s) => c.agents.retrieve(s.agentId),
  ),
  call(
    `PATCH ${AGENTS}`,
    (c, s) => c.agents.modify(s.agentId, { tags: ['old'] }),
    (c, s) => c.agents.update(s.agentId, { tags: ['new'] }),
  ),
  call(
    `DELETE ${AGENTS}`,
    async (c, s) => c.agents.delete((await s.spare()).agent),
    async (c, s) => c.agents.delete((await s.spare()).agent),
  ),
  call(
    `GET ${AGENTS}/core-memory/blocks`,
    (c, s) => c.agents.blocks.list(s.agentId),
    (c, s) => c.agents.blocks.list(s.agentId),
  ),
  call(
    `PATCH ${AGENTS}/core-memory/blocks/attach/:block_id`,
    (c, s) => c.agents.blocks.attach(s.agentId, s.blockId),
    (c, s) => c.agents.blocks.attach(s.blockId, { agent_id: s.agentId }),
  ),
  call(
    `PATCH ${AGENTS}/core-memory/blocks/detach/:block_id`,
    async (c, s) => {
      const { agent } = await s.spare()
      await c.agents.blocks.attach(agent, s.blockId)
      return c.agents.blocks.detach(agent, s.blockId)
    },
    async (c, s) => {
      const { agent } = await s.spare()
      await c.agents.blocks.attach(s.blockId, { agent_id: agent })
      return c.agents.blocks.detach(s.blockId, { agent_id: agent })
    },
  ),
  call(
    `GET ${AGENTS}/core-memory/blocks/:label`,
    (c, s) => c.agents.blocks.retrieve(s.agentId, s.label),
    (c, s) => c.agents.blocks.retrieve(s.label, { agent_id: s.agentId }),
  ),
  call(
    `PATCH ${AGENTS}/core-memory/blocks/:label`,
    (c, s) => c.agents.blocks.modify(s.agentId, s.label, { value: 'old client' }),
    (c, s) => c.agents.blocks.update(s.label, { agent_id: s.agentId, value: 'new client' }),
  ),
  call(
    `POST ${AGENTS}/messages`,
    (c, s) => c.agents.messages.create(s.agentId, { messages }),
    (c, s) => c.agents.messages.create(s.agentId, { messages }),
  ),
  call(
    `POST ${AGENTS}/messages/async`,
    (c, s) => c.agents.messages.createAsync(s.agentId, { messages }),
    (c, s) => c.agents.messages.createAsync(s.agentId, { messages }),
  ),
  call(
    `POST ${AGENTS}/messages/stream`,
    async (c, s) => chunksOf(await c.agents.messages.createStream(s.agentId, { messages })),
    async (c, s) => chunksOf(await c.agents.messages.stream(s.agentId, { messages })),
  ),
  call(
    `PATCH ${AGENTS}/reset-messages`,
    async (c, s) => c.agents.messages.reset((await s.spare()).agent),
    async (c, s) =>
      c.agents.messages.reset((await s.spare()).agent, { add_default_initial_messages: true }),
  ),
  call(
    `POST ${AGENTS}/messages/cancel`,
    (c, s) => c.agents.messages.cancel(s.agentId, { runIds: [s.runId] }),
    (c, s) => c.agents.messages.cancel(s.agentId, { run_ids: [s.runId] }),
  ),
  call(
    `GET ${AGENTS}/messages`,
    (c, s) => c.agents.messages.list(s.agentId),
    (c, s) => c.agents.messages.list(s.agentId),
  ),
  call(
    `GET ${AGENTS}/tools`,
    (c, s) => c.agents.tools.list(s.agentId),
    (c, s) => c.agents.tools.list(s.agentId),
  ),
  call(
    `PATCH ${AGENTS}/tools/attach/:tool_id`,
    (c, s) => c.agents.tools.attach(s.agentId, s.toolId),
    (c, s) => c.agents.tools.attach(s.toolId, { agent_id: s.agentId }),
  ),
  call(
    `PATCH ${AGENTS}/tools/detach/:tool_id`,
    (c, s) => c.agents.tools.detach(s.agentId, s.toolId),
    (c, s) => c.agents.tools.detach(s.toolId, { agent_id: s.agentId }),
  ),
  call(`POST ${AGENTS}/tools/:tool_name/run`, null, (c, s) =>
    c.agents.tools.run('memory_insert', {
      agent_id: s.agentId,
      args: { label: s.label, new_string: 'x' },
    }),
  ),
  call(
    'GET /v1/runs',
    (c, s) => c.runs.list({ agentIds: [s.agentId] }),
    (c, s) => c.runs.list({ agent_id: s.agentId }),
  ),
  call(
    'GET /v1/runs/:run_id',
    (c, s) => c.runs.retrieve(s.runId),
    (c, s) => c.runs.retrieve(s.runId),
  ),
  call(
    'GET /v1/runs/:run_id/messages',
    (c, s) => c.runs.messages.list(s.runId),
    (c, s) => c.runs.messages.list(s.runId),
  ),
  call(
    'GET /v1/runs/:run_id/steps',
    (c, s) => c.runs.steps.list(s.runId),
    (c, s) => c.runs.steps.list(s.runId),
  ),
  call(
    'POST /v1/runs/:run_id/stream',
    async (c, s) => chunksOf(await c.runs.stream(s.runId)),
    async (c, s) => chunksOf(await c.runs.messages.stream(s.runId)),
  ),
  call(
    'GET /v1/runs/:run_id/usage',
    (c, s) => c.runs.usage.retrieve(s.runId),
    (c, s) => c.runs.usage.retrieve(s.runId),
  ),
  call(
    'GET /v1/steps',
    (c) => c.steps.list(),
    (c) => c.steps.list(),
  ),
  call(
    'GET /v1/steps/:step_id',
    (c, s) => c.steps.retrieve(s.stepId),
    (c, s) => c.steps.retrieve(s.stepId),
  ),
  call(
    'GET /v1/tools',
    (c) => c.tools.list(),
    (c) => c.tools.list(),
  ),
  call(
    'PUT /v1/tools',
    (c) => c.tools.upsert({ sourceCode: TOOL.source_code, jsonSchema: TOOL.json_schema }),
    (c) => c.tools.upsert(TOOL),
  ),
  call(
    'POST /v1/tools',
    (c) => c.tools.create({ sourceCode: 'def by_old(): pass' }),
    (c) => c.tools.create({ source_code: 'def by_new(): pass' }),
  ),
  call(
    'GET /v1/tools/:tool_id',
    (c, s) => c.tools.retrieve(s.toolId),
    (c, s) => c.tools.retrieve(s.toolId),
  ),
  call(
    'PATCH /v1/tools/:tool_id',
    (c, s) => c.tools.modify(s.toolId, { description: 'old client' }),
    (c, s) => c.tools.update(s.toolId, { description: 'new client' }),
  ),
  call(
    'DELETE /v1/tools/:tool_id',
    async (c, s) => c.tools.delete((await s.spare()).tool),
    async (c, s) => c.tools.delete((await s.spare()).tool),
  ),
]
