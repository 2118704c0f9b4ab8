import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type Letta from '@letta-ai/letta-client'
import { createPool } from '#postgres/database.js'
import { checkReadModels } from '#read-models/rebuild.js'
import { claimMailbox, renewLease } from '#turns/mailbox.js'
import type { RunningWorker } from '../apps/worker/worker.js'
import { exportedLines, into } from './support/imported.js'
import { type LettaClients, lettaClients } from './support/letta-clients.js'
import type { ScriptedToolCall } from './support/model-server.js'
import { readStream } from './support/run-streams.js'
import { openTurnStage, type TurnStage } from './support/turn-stage.js'

let stage: TurnStage
let worker: RunningWorker
let clients: LettaClients

beforeAll(async () => {
  stage = await openTurnStage({ workers: 0 })
  worker = await stage.product.startWorker()
  clients = lettaClients(stage.product.url)
})

afterAll(async () => {
  clients.restore()
  const pool = createPool(stage.product.databaseUrl, { max: 1 })
  expect(await checkReadModels(pool, 'default')).toMatchObject({ differences: 0 })
  await pool.end()
  await stage.close()
  expect(stage.product.logged).toEqual([])
})

beforeEach(() => stage.model.reset())

afterEach(() => {
  expect(clients.warnings()).toEqual([])
  stage.model.assertConsumed()
})

type Approval = Letta.Agents.Messages.ApprovalReturn | Letta.Agents.Messages.ToolReturn
type Answer = Letta.Agents.LettaResponse

const insert = (id: string, new_string: string): ScriptedToolCall => ({
  id,
  name: 'memory_insert',
  arguments: { label: 'notes', new_string },
})
const send = (agentId: string, content: string) =>
  clients.current.agents.messages.create(agentId, { messages: [{ role: 'user', content }] })
const answer = (agentId: string, ...approvals: Approval[]) =>
  clients.current.agents.messages.create(agentId, { messages: [{ type: 'approval', approvals }] })
const yes = (tool_call_id: string): Approval => ({ type: 'approval', tool_call_id, approve: true })
const kinds = ({ messages }: Answer) => messages.map((message) => message.message_type)
const types = async (runId: string) => (await stage.events(runId)).map((event) => event.type)
const textOf = async (blockId: string): Promise<string> =>
  (await stage.rest<{ value: string }>('GET', `/v1/blocks/${blockId}`)).body.value

/** An agent whose inserts wait for a person, with a block. */
async function careful(value = 'a') {
  const block = await stage.block(value)
  const agent = await stage.agent([block])
  const rule = { requires_approval: true }
  await stage.rest('PATCH', `/v1/agents/${agent}/tools/approval/memory_insert`, rule)
  return { block, agent }
}

/** One whose model has made these calls, and the run that waits. */
async function waiting(...calls: ScriptedToolCall[]) {
  const { block, agent } = await careful()
  stage.model.script([{ toolCalls: calls }])
  const asked = await send(agent, 'go')
  const request = asked.messages.at(-1) as { id: string }
  return { block, agent, asked, requestId: request.id, runId: asked.usage.run_ids?.[0] as string }
}

describe('which tools need approval', () => {
  it('is said in three ways, shown among the rules of the agent, and by the tool itself', async () => {
    const agent = await stage.agent()
    const name = 'memory_insert'
    const path = `/v1/agents/${agent}/tools/approval/${name}`
    const rule = { type: 'requires_approval', tool_name: name }
    const { current, legacy } = clients
    const said = [
      await legacy.agents.tools.modifyApproval(agent, name, { requiresApproval: true }),
      await current.agents.tools.updateApproval(name, {
        agent_id: agent,
        body_requires_approval: false,
      }),
      (await stage.rest('PATCH', path, { requires_approval: true })).body,
      (await stage.rest('PATCH', path, { requires_approval: true })).body,
    ]
    const rules = said.map((state) => {
      const { tool_rules, toolRules } = state as Record<string, unknown>
      return JSON.parse(JSON.stringify(tool_rules ?? toolRules))
    })
    expect(rules).toEqual([[{ type: 'requires_approval', toolName: name }], [], [rule], [rule]])
    expect(await stage.events(agent, /^ToolApprovalChanged$/)).toHaveLength(3)

    const both = await stage.rest('PATCH', `${path}?requires_approval=false`, {
      requires_approval: true,
    })
    const none = await stage.rest('PATCH', path, {})
    for (const { status, body } of [both, none]) {
      expect([status, body.code]).toEqual([422, 'invalid_argument'])
    }
    const strange = path.replace(name, 'web_search')
    expect(await stage.rest('PATCH', strange, { requires_approval: true })).toMatchObject({
      status: 404,
      body: { code: 'tool_not_found' },
    })

    const json_schema = { name: 'launch', parameters: { type: 'object', properties: {} } }
    const launch = { json_schema, default_requires_approval: true }
    expect((await stage.rest('POST', '/v1/tools/', launch)).status).toBe(200)
    const other = await stage.agent([], ['launch'])
    const { body } = await stage.rest('GET', `/v1/agents/${other}`)
    expect(body.tool_rules).toEqual([{ ...rule, tool_name: 'launch' }])
  })
})

describe('a call that needs approval', () => {
  it('ends the answer with the request; approved, the same run goes on', async () => {
    const { block, agent, asked, requestId, runId } = await waiting(insert('call_1', 'b'))
    expect(kinds(asked)).toEqual(['approval_request_message'])
    expect(asked.stop_reason.stop_reason).toBe('requires_approval')
    expect(await stage.run(runId)).toMatchObject({
      status: 'completed',
      stop_reason: 'requires_approval',
    })
    const completed = await clients.current.runs.list({ agent_id: agent, statuses: ['completed'] })
    expect(completed.getPaginatedItems().map((run) => run.id)).toEqual([runId])
    const pending = await clients.current.agents.retrieve(agent)
    expect(pending.pending_approval).toMatchObject({
      id: requestId,
      tool_calls: [{ tool_call_id: 'call_1', name: 'memory_insert' }],
    })
    expect(await textOf(block.id)).toBe('a')

    stage.model.script([{ text: 'done' }])
    const went = await answer(agent, yes('call_1'))
    expect(kinds(went)).toEqual(['tool_return_message', 'assistant_message'])
    expect([went.usage.run_ids, went.stop_reason.stop_reason]).toEqual([[runId], 'end_turn'])
    expect(await textOf(block.id)).toBe('a\nb')
    expect(await types(runId)).toEqual([
      'TurnQueued',
      'TurnStarted',
      'ModelRequested',
      'ModelResponded',
      'ToolCalled',
      'ApprovalRequested',
      'TurnParked',
      'ApprovalGiven',
      'TurnResumed',
      'ToolReturned',
      'ModelRequested',
      'ModelResponded',
      'TurnCompleted',
    ])
    const listed = await clients.current.runs.messages.list(runId)
    expect(listed.getPaginatedItems().map((message) => message.message_type)).toEqual([
      'user_message',
      'approval_request_message',
      'approval_response_message',
      'tool_return_message',
      'assistant_message',
    ])
    expect((await clients.current.agents.retrieve(agent)).pending_approval).toBeNull()
  })

  it('denied, is not made, and the model is told why: also by the client before 1.0', async () => {
    const { agent, block } = await careful()
    stage.model.script([{ toolCalls: [insert('call_1', 'b')] }])
    const messages = clients.legacy.agents.messages
    const asked = await messages.create(agent, { messages: [{ role: 'user', content: 'go' }] })
    const request = asked.messages.at(-1) as { id: string; messageType: string; toolCall: object }
    expect(request).toMatchObject({
      messageType: 'approval_request_message',
      toolCall: { toolCallId: 'call_1' },
    })
    stage.model.script([{ text: 'as you wish' }])
    const no = { approve: false, approvalRequestId: request.id, reason: 'not today' }
    const went = await messages.create(agent, { messages: [{ type: 'approval', ...no }] })
    expect(went.messages).toMatchObject([
      { messageType: 'tool_return_message', status: 'error' },
      { messageType: 'assistant_message' },
    ])
    expect(stage.model.requests.at(-1)?.messages.at(-1)).toMatchObject({
      role: 'tool',
      content: 'Error: request to call tool denied. User reason: not today',
    })
    expect(await textOf(block.id)).toBe('a')
    const listed = await messages.list(agent)
    expect(listed.find((m) => m.messageType === 'approval_response_message')).toMatchObject(no)
  })

  it('is made with the arguments it was approved with, and the model is told so', async () => {
    const { agent, block, runId } = await waiting(insert('call_1', 'wrong'))
    stage.model.script([{ text: 'done' }])
    const args = { label: 'notes', new_string: 'right' }
    const edited = { ...yes('call_1'), arguments: args } as unknown as Approval
    await answer(agent, edited)
    expect(await textOf(block.id)).toBe('a\nright')
    const [called, returned] = await stage.events(runId, /^Tool(Called|Returned)$/)
    expect(JSON.parse(called?.payload.args)).toMatchObject({ new_string: 'wrong' })
    expect(JSON.parse(returned?.payload.args)).toEqual(args)
    expect(stage.model.requests.at(-1)?.messages.at(-1)?.content).toMatch(
      /^The user changed the arguments of this call to \{.*"right"/,
    )
    const blame = await stage.rest('GET', `/v1/blocks/${block.id}/blame`)
    expect(blame.body.data).toMatchObject([
      { text: 'a' },
      { text: '\nright', run_id: runId, tool_call_id: 'call_1' },
    ])
  })

  it('keeps the others of its step waiting; all are made in their order once all are answered', async () => {
    const free = {
      id: 'free',
      name: 'memory_replace',
      arguments: { label: 'notes', old_string: 'b', new_string: 'c' },
    }
    const calls = [insert('call_1', 'b'), free, insert('call_2', 'd')]
    const { agent, block, asked, runId } = await waiting(...calls)
    expect(kinds(asked)).toEqual(['tool_call_message', 'approval_request_message'])
    const first = await answer(agent, yes('call_2'))
    expect([kinds(first), first.stop_reason.stop_reason]).toEqual([[], 'requires_approval'])
    expect(await textOf(block.id)).toBe('a')
    stage.model.script([{ text: 'done' }])
    await answer(agent, yes('call_1'))
    expect(await textOf(block.id)).toBe('a\nc\nd')
    expect(await stage.events(runId, /^TurnParked$/)).toHaveLength(1)
  })
})

describe('a tool of the caller', () => {
  it('is given to the model in place of the agent’s of that name; a call of it waits for its return', async () => {
    const block = await stage.block('a')
    const agent = await stage.agent([block])
    const parameters = { type: 'object', properties: { door: { type: 'string' } } }
    const client_tools = [
      { name: 'open_door', description: 'Opens a door.', parameters },
      { name: 'memory_insert', description: 'Ours.' },
    ]
    const open = (id: string) => ({ id, name: 'open_door', arguments: { door: id } })
    stage.model.script([{ toolCalls: [open('d1'), open('d2'), insert('m', 'b')] }])
    const messages = [{ role: 'user' as const, content: 'go' }]
    const asked = await clients.current.agents.messages.create(agent, { messages, client_tools })
    expect(kinds(asked)).toEqual(['approval_request_message'])
    const names = stage.model.requests[0]?.toolNames ?? []
    expect(names.filter((name) => name === 'memory_insert')).toHaveLength(1)
    expect(names.at(-2)).toBe('open_door')

    await expect(answer(agent, yes('d1'))).rejects.toMatchObject({
      status: 422,
      error: { code: 'invalid_argument' },
    })
    stage.model.script([{ text: 'done' }])
    const returned = (tool_call_id: string, status: 'success' | 'error', tool_return: string) =>
      ({ type: 'tool', tool_call_id, tool_return, status }) as const
    const went = await answer(
      agent,
      returned('d1', 'success', 'it is open'),
      returned('d2', 'error', 'it is stuck'),
      { type: 'approval', tool_call_id: 'm', approve: false },
    )
    const told = stage.model.requests
      .at(-1)
      ?.messages.slice(-3)
      .map((message) => message.content)
    const no = 'Error: request to call tool denied.'
    expect(told).toEqual(['it is open', 'it is stuck', no])
    expect(went.messages.slice(0, 2)).toMatchObject([
      { message_type: 'tool_return_message', status: 'success', tool_return: 'it is open' },
      { message_type: 'tool_return_message', status: 'error', tool_return: 'it is stuck' },
    ])
    expect(await textOf(block.id)).toBe('a')
  })
})

describe('an answer', () => {
  it('is given once; what waits for none, or is not there, has none', async () => {
    const { agent, requestId } = await waiting(insert('call_1', 'b'))
    const again = (messages: object[], headers = {}) =>
      stage.rest('POST', `/v1/agents/${agent}/messages`, { messages }, headers)
    const unknown = { status: 409, body: { code: 'unknown_tool_call' } }
    const stranger = [{ type: 'approval', approvals: [yes('call_9')] }]
    expect(await again(stranger)).toMatchObject(unknown)
    stage.model.script([{ text: 'done' }])
    const approvals = [{ type: 'approval', approvals: [yes('call_1')] }]
    const first = await again(approvals)
    expect(first.status).toBe(200)
    for (const second of [approvals, [{ approve: false, approval_request_id: requestId }]]) {
      const refused = await again(second)
      expect(refused).toMatchObject(unknown)
      expect(refused.headers['x-should-retry']).toBe('false')
    }
    // The client gave up waiting and says that it repeats its request.
    const retried = await again(approvals, { 'x-stainless-retry-count': '1' })
    expect(retried.body).toEqual(first.body)
  })

  it('comes before any other message, unless that takes the run’s place', async () => {
    const { agent, requestId, runId } = await waiting(insert('call_1', 'b'))
    const path = `/v1/agents/${agent}/messages`
    expect(await stage.rest('POST', path, { input: 'hello?' })).toMatchObject({
      status: 409,
      body: { code: 'pending_approval', pending_request_id: requestId, run_id: runId },
    })
    expect(await stage.rest('POST', `${path}/async`, { input: 'hello?' })).toMatchObject({
      status: 409,
    })
    stage.model.script([{ text: 'instead' }])
    const instead = await stage.send(agent, 'never mind', { policy: 'interrupt' })
    expect(instead.body).toMatchObject({ stop_reason: { stop_reason: 'end_turn' } })
    expect(await stage.run(runId)).toMatchObject({ status: 'cancelled' })
  })

  it('is no longer waited for once the run is cancelled', async () => {
    const { agent, block, runId } = await waiting(insert('call_1', 'b'))
    expect((await stage.rest('POST', `/v1/runs/${runId}/cancel`)).body).toMatchObject({
      status: 'cancelled',
      stop_reason: 'cancelled',
    })
    await expect(answer(agent, yes('call_1'))).rejects.toMatchObject({ status: 409 })
    stage.model.script([{ text: 'next' }])
    expect(kinds(await send(agent, 'next'))).toEqual(['assistant_message'])
    expect(await textOf(block.id)).toBe('a')
  })

  it('is what the run waits for, whatever becomes of workers meanwhile', async () => {
    const { agent, block, runId } = await waiting(insert('call_1', 'b'))
    await worker.close()
    worker = await stage.product.startWorker()
    const { rows } = await stage.sql.query(
      `select not_before = 'infinity' as parked, owner from mailboxes where agent_id = $1`,
      [agent],
    )
    expect(rows).toEqual([{ parked: true, owner: null }])
    // Nothing but an answer may free it; whoever claims it all the same parks it again.
    await stage.sql.query(`update mailboxes set not_before = null where agent_id = $1`, [agent])
    await stage.ended(runId)
    while ((await stage.events(runId, /^TurnParked$/)).length < 2) await stage.ended(runId)
    expect(await textOf(block.id)).toBe('a')
    stage.model.script([{ text: 'done' }])
    await answer(agent, yes('call_1'))
    expect(await textOf(block.id)).toBe('a\nb')
  })

  it('is waited for in an imported log too', async () => {
    const { agent, runId } = await waiting(insert('call_1', 'b'))
    const queued = await stage.agent()
    await worker.close()
    const other = await stage.queueSilently(queued, 'go')
    const pool = createPool(stage.product.databaseUrl, { max: 1 })
    const lines = await exportedLines(pool)
    await pool.end()
    await into(async (target) => {
      await target.import(lines)
      await target.import(lines)
      await renewLease(target.pool, 'new')
      expect(await claimMailbox(target.pool, 'default', agent, 'new')).toBeNull()
      expect(await claimMailbox(target.pool, 'default', queued, 'new')).not.toBeNull()
      expect(await target.differences()).toBe(0)
    })
    stage.model.script([{ text: 'queued' }, { text: 'done' }])
    worker = await stage.product.startWorker()
    await stage.ended(other)
    await answer(agent, yes('call_1'))
    expect(await stage.run(runId)).toMatchObject({ status: 'completed', stop_reason: 'end_turn' })
  })
})

describe('a stream of a run that waits for an answer', () => {
  it('ends there, also by tokens; the answer’s stream begins behind it and ends with the run', async () => {
    for (const stream_tokens of [false, true]) {
      const { agent, block } = await careful()
      stage.model.script([{ toolCalls: [insert('i', 'b')] }, { text: 'done' }])
      const path = `/v1/agents/${agent}/messages/stream`
      const asked = await readStream(stage.product.url, 'POST', path, {
        input: 'go',
        stream_tokens,
      })
      const requests = asked.chunks.filter((c) => c.message_type === 'approval_request_message')
      expect(requests).toEqual([expect.objectContaining({ tool_call: expect.anything() })])
      expect(asked.chunks).toContainEqual(
        expect.objectContaining({ stop_reason: 'requires_approval' }),
      )
      expect(asked.raw).toMatch(/data: \[DONE\]\n\n$/)

      const messages = [{ type: 'approval', approvals: [yes('i')] }]
      const rest = await readStream(stage.product.url, 'POST', path, { messages, stream_tokens })
      const told = rest.chunks.map((c) => c.message_type).filter((type) => type !== 'ping')
      expect([...new Set(told)]).toEqual([
        'tool_return_message',
        'assistant_message',
        'stop_reason',
        'usage_statistics',
      ])
      expect(rest.chunks).toContainEqual(expect.objectContaining({ stop_reason: 'end_turn' }))
      const last = Math.max(...asked.chunks.map((chunk) => Number(chunk.seq_id)))
      expect(rest.chunks.slice(1).every((chunk) => Number(chunk.seq_id) > last)).toBe(true)
      expect(await textOf(block.id)).toBe('a\nb')
    }
  })
})
