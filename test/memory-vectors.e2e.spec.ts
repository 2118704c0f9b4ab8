import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { ChangeAgent, ChangeAgentHandler } from '#commands/change-agent.js'
import { ChangeTurn, ChangeTurnHandler, type TurnChange } from '#commands/change-turn.js'
import { RunToolStep, RunToolStepHandler } from '#commands/run-tool-step.js'
import type { AgentState } from '#domain/agent.js'
import type { BlockState } from '#domain/block-state.js'
import type { TurnState } from '#domain/turn.js'
import { foldStream } from '#event-store/stream-reader.js'
import { BUILTIN_TOOLS } from '#turns/builtin-tools.js'
import { type CallContext, prepareCall } from '#turns/tool-call.js'
import { type Vector, vectors } from './support/contract.js'
import { type Product, startProduct } from './support/product.js'
import { makeAgent, makeBlock, type Rest, restOf } from './support/rest.js'
import { queuedPayload } from './support/turn-commands.js'
import { openTurnStory, type TurnStory } from './support/turn-story.js'

const tenantId = 'default'
const all = vectors()
const named = all.map((vector) => [vector.tool, vector.name, vector] as const)

/** What is there after a call, wherever it was made. */
interface After {
  readonly said: string
  readonly failed: boolean
  readonly block: { readonly value: string; readonly version: number }
  /** The agent's blocks, in order. */
  readonly held: readonly { label: string; description: string | null; value: string }[]
}

function check({ block, expect: wanted }: Vector, before: number, after: After): void {
  const { error, created, changed } = wanted
  expect(after.failed).toBe(error !== undefined)
  const value = error ? block.value : wanted.value
  expect(after.block.value).toBe(value)
  if (error) expect(after.said).toMatch(new RegExp(`^rejected ${error.code}\\b`))
  if (error) expect(after.said).toContain(error.textContains)
  const moves = !error && !created && changed !== false
  expect(after.block.version).toBe(moves ? before + 1 : before)
  const label = wanted.label ?? block.label
  const description = wanted.description ?? block.description ?? null
  const kept = wanted.attached === false ? [] : [{ label, description, value }]
  expect(after.held).toEqual(created ? [...kept, created] : kept)
}

/** Vectors under way at once: none knows of another, and they are committed together. */
const AT_ONCE = 8

/** What becomes of every vector, to be waited for one by one. */
function startAll<T>(make: (vector: Vector) => Promise<T>): Map<Vector, Promise<T>> {
  const lanes: Promise<unknown>[] = Array.from({ length: AT_ONCE }, () => Promise.resolve())
  const started = new Map<Vector, Promise<T>>()
  for (const [n, vector] of all.entries()) {
    const ended = (lanes[n % AT_ONCE] as Promise<unknown>).then(() => make(vector))
    // Its own test tells.
    lanes[n % AT_ONCE] = ended.catch(() => {})
    started.set(vector, ended)
  }
  return started
}

describe('every vector, as a tool call in a turn through the writer', () => {
  let story: TurnStory
  let calls: ReturnType<typeof startAll<Awaited<ReturnType<typeof call>>>>

  beforeAll(async () => {
    story = await openTurnStory()
    calls = startAll(call)
  })
  afterAll(() => story.close())

  const fold = async <S>(id: string): Promise<S> =>
    (await foldStream(story.pool, tenantId, id)).state as S

  async function call(vector: Vector) {
    const { agentId, blockId } = await stand(story, vector)
    const before = await fold<BlockState>(blockId)
    const returned = await callInTurn(story, agentId, vector)
    const agent = await fold<AgentState>(agentId)
    const blocks = await Promise.all(agent.blocks.map(({ id }) => fold<BlockState>(id)))
    return { before, returned, block: await fold<BlockState>(blockId), blocks }
  }

  it.each(named)('%s: %s', async (_tool, _name, vector) => {
    const { before, returned, block, blocks } = await (calls.get(vector) as ReturnType<typeof call>)
    check(vector, before.version, {
      said: returned.result,
      failed: returned.status === 'error',
      block,
      held: blocks.map(({ settings: { label, description }, value }) => ({
        label,
        description,
        value,
      })),
    })
    expect(returned.code).toBe(vector.expect.error?.code)
  })
})

describe('every vector, over REST', () => {
  let product: Product
  let rest: Rest
  let calls: ReturnType<typeof startAll<After>>

  beforeAll(async () => {
    product = await startProduct({ workers: 0 })
    rest = restOf(product.port)
    calls = startAll(call)
  })
  afterAll(async () => {
    await product.close()
    expect(product.logged).toEqual([])
  })

  async function call({ tool, block, args }: Vector): Promise<After> {
    const made = await makeBlock(rest, block)
    const { id } = await makeAgent(rest, [made.id], { agent_type: 'react_agent', tools: [tool] })
    const path = `/v1/agents/${id}`
    const { status, body } = await rest('POST', `${path}/tools/${tool}/run`, { args })
    expect(status).toBe(200)
    const after = await rest<After['block']>('GET', `/v1/blocks/${made.id}`)
    const held = await rest<After['held']>('GET', `${path}/core-memory/blocks?order=asc`)
    return {
      said: String(body.func_return),
      failed: body.status === 'error',
      block: after.body,
      held: held.body.map(({ label, description, value }) => ({ label, description, value })),
    }
  }

  it.each(named)('%s: %s', async (_tool, _name, vector) => {
    check(vector, 2, await (calls.get(vector) as Promise<After>))
  })
})

/** An agent with the vector's block, and with its tool. */
async function stand(
  { writer }: TurnStory,
  { tool, block }: Vector,
): Promise<{ agentId: string; blockId: string }> {
  const agentId = `agent-${randomUUID()}`
  const blockId = `block-${randomUUID()}`
  const { value, ...settings } = block
  const create = {
    type: 'CreateAgent',
    settings: { name: 'agent1', system: '', model: 'openai/gpt-4o-mini' },
    tools: BUILTIN_TOOLS.filter(({ name }) => name === tool).map(({ name }) => ({
      id: name,
      name,
    })),
    blockIds: [],
    newBlocks: [{ id: blockId, value, settings }],
  } as const
  const by = { tenantId, actor: { kind: 'user', id: 'local' } } as const
  const outcome = await new ChangeAgentHandler(writer).execute(new ChangeAgent(agentId, create, by))
  if (!outcome.ok) throw new Error(JSON.stringify(outcome))
  return { agentId, blockId }
}

/** Makes the call as a turn's first step, the way the loop does, and gives its return. */
async function callInTurn({ pool, writer }: TurnStory, agentId: string, { tool, args }: Vector) {
  const runId = `run-${randomUUID()}`
  const turns = new ChangeTurnHandler(writer)
  const by = { tenantId, actor: { kind: 'user', id: 'local' } } as const
  const commit = async (change: TurnChange, epoch?: number): Promise<void> => {
    const whole = epoch === undefined ? by : { ...by, epoch }
    const verdict = await turns.execute(new ChangeTurn(runId, agentId, change, whole))
    if (verdict.status !== 'ok') throw new Error(JSON.stringify(verdict))
  }
  await commit({ type: 'QueueTurn', payload: { ...queuedPayload(), agent_id: agentId } })
  const request = requestedStep()
  await commit({ type: 'StartTurn', workerId: 'w', first: request }, 0)
  const made = { tool_call_id: 'call_1', name: tool, arguments: JSON.stringify(args) }
  await commit({ type: 'RecordReply', payload: repliedWith(made) }, 0)
  const agent = (await foldStream(pool, tenantId, agentId)).state as AgentState
  const newBlockId = () => `block-${randomUUID()}`
  const prepared = await prepareCall(made, agent, { newBlockId } as unknown as CallContext)
  const step = {
    runId,
    agentId,
    step: 1,
    index: 0,
    toolCallId: 'call_1',
    ...prepared,
    terminal: new Set<string>(),
    request: (next: number) => ({ ...request, step: next }),
  }
  const actor = { kind: 'agent', id: agentId, name: 'agent1' } as const
  const correlation = { run_id: runId, step: 1, tool_call_id: 'call_1' }
  const verdict = await new RunToolStepHandler(writer).execute(
    new RunToolStep(step, { tenantId, actor, correlation, epoch: 0 }),
  )
  if (verdict.status !== 'ok') throw new Error(JSON.stringify(verdict))
  const turn = (await foldStream(pool, tenantId, runId)).state as TurnState
  const returned = turn.steps[0]?.calls[0]?.returned
  if (!returned) throw new Error('the call has not returned')
  return returned
}

function requestedStep() {
  return {
    step: 1,
    model: 'openai/gpt-4o-mini',
    seen: {},
    agent_version: 1,
    history: { omitted: 0, from_message_id: null },
    context_hash: '',
    request_hash: '',
  }
}

function repliedWith(call: { tool_call_id: string; name: string; arguments: string }) {
  const usage = {
    prompt_tokens: 1,
    completion_tokens: 1,
    total_tokens: 2,
    cached_input_tokens: 0,
    reasoning_tokens: 0,
  }
  const response = {
    content: null,
    reasoning: null,
    tool_calls: [call],
    finish_reason: 'tool_calls',
  }
  return { step: 1, response, usage, latency_ms: 1, provider_response_id: null }
}
