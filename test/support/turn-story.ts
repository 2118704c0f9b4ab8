import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import { ChangeAgent, ChangeAgentHandler } from '#commands/change-agent.js'
import { ChangeTurn, ChangeTurnHandler, type TurnChange } from '#commands/change-turn.js'
import { RunToolStep, RunToolStepHandler } from '#commands/run-tool-step.js'
import type { AttachedTool } from '#domain/agent.js'
import { DEFAULT_OPTIONS } from '#domain/turn.js'
import type { InputMessage, ModelReply, TurnOptions } from '#domain/turn-events.js'
import type { RequestedPayload } from '#domain/turn-steps.js'
import { WRITER_CONNECTIONS, WRITER_SETTINGS, Writer } from '#event-store/writer.js'
import { createDatabase, createPool, type Database } from '#postgres/database.js'
import { project } from '#read-models/projection.js'
import { createTestDatabase } from './database.js'

const tenantId = 'default'
const by = { tenantId, actor: { kind: 'user', id: 'local' } } as const
const USAGE = {
  prompt_tokens: 10,
  completion_tokens: 5,
  total_tokens: 15,
  cached_input_tokens: 2,
  reasoning_tokens: 1,
}

/** What a model says in one step, and what its tool calls return. */
export interface StoryStep {
  readonly reply: Partial<ModelReply>
  readonly returns?: readonly { readonly status: 'success' | 'error'; readonly result: string }[]
}

/** Tells turns through the commands a worker uses, without a worker, a queue or a model. */
export interface TurnStory {
  readonly db: Database
  readonly pool: Pool
  readonly writer: Writer
  createAgent(name?: string, tools?: readonly AttachedTool[]): Promise<string>
  queue(agentId: string, text: string, options?: Partial<TurnOptions>): Promise<string>
  /** Queues a turn and runs it to its end. */
  run(
    agentId: string,
    text: string,
    steps: readonly StoryStep[],
    options?: Partial<TurnOptions>,
  ): Promise<string>
  /** Starts a queued turn, which then fails. */
  fail(agentId: string, runId: string, failureClass: string): Promise<void>
  close(): Promise<void>
}

export async function openTurnStory(): Promise<TurnStory> {
  const database = await createTestDatabase()
  const pool = createPool(database.url, { max: 4 })
  const writes = createPool(database.url, { max: WRITER_CONNECTIONS, settings: WRITER_SETTINGS })
  const db = createDatabase(pool)
  const writer = new Writer({ writes, reads: pool, project })
  const turns = new ChangeTurnHandler(writer)
  const toolSteps = new RunToolStepHandler(writer)

  const change = async (runId: string, agentId: string, what: TurnChange): Promise<void> => {
    const verdict = await turns.execute(new ChangeTurn(runId, agentId, what, { ...by, epoch: 0 }))
    if (verdict.status !== 'ok') throw new Error(JSON.stringify(verdict))
  }

  const queue = async (agentId: string, text: string, options: Partial<TurnOptions> = {}) => {
    const runId = `run-${randomUUID()}`
    const payload = queued(agentId, text, { ...DEFAULT_OPTIONS, ...options })
    const unfenced = new ChangeTurn(runId, agentId, { type: 'QueueTurn', payload }, by)
    const verdict = await turns.execute(unfenced)
    if (verdict.status !== 'ok') throw new Error(JSON.stringify(verdict))
    return runId
  }

  const returnOf = async (
    ids: { runId: string; agentId: string; step: number },
    index: number,
    text: { readonly status: 'success' | 'error'; readonly result: string },
  ) => {
    const tool = {
      ...ids,
      index,
      toolCallId: `call_${ids.step}_${index}`,
      edits: [],
      describe: () => text,
      terminal: new Set(['send_message']),
      request: requested,
    }
    const verdict = await toolSteps.execute(new RunToolStep(tool, { ...by, epoch: 0 }))
    if (verdict.status !== 'ok') throw new Error(JSON.stringify(verdict))
  }

  return {
    db,
    pool,
    writer,
    queue,
    async createAgent(name = 'agent1', tools = []) {
      const agentId = `agent-${randomUUID()}`
      const settings = { name, system: `You are ${name}.`, model: 'openai/gpt-4o-mini' }
      const create = { type: 'CreateAgent', settings, tools, blockIds: [], newBlocks: [] } as const
      const outcome = await new ChangeAgentHandler(writer).execute(
        new ChangeAgent(agentId, create, by),
      )
      if (!outcome.ok) throw new Error(JSON.stringify(outcome))
      return agentId
    },
    async run(agentId, text, steps, options) {
      const runId = await queue(agentId, text, options)
      await change(runId, agentId, { type: 'StartTurn', workerId: 'w', first: requested(1) })
      for (const [i, { reply, returns = [] }] of steps.entries()) {
        await change(runId, agentId, { type: 'RecordReply', payload: responded(i + 1, reply) })
        for (const [index, text] of returns.entries()) {
          await returnOf({ runId, agentId, step: i + 1 }, index, text)
        }
      }
      return runId
    },
    async fail(agentId, runId, failureClass) {
      await change(runId, agentId, { type: 'StartTurn', workerId: 'w', first: requested(1) })
      await change(runId, agentId, {
        type: 'FailTurn',
        failure: {
          class: failureClass,
          retriable: false,
          detail: 'The model provider did not answer.',
          stop_reason: 'llm_api_error',
          facts: {},
        },
      })
    },
    async close() {
      await writer.close()
      await db.destroy()
      await writes.end()
      await database.drop()
    },
  }
}

/** A call by the model, to be answered at the same place of the step's `returns`. */
export function calls(step: number, ...made: readonly (readonly [string, object])[]) {
  return made.map(([name, args], index) => ({
    tool_call_id: `call_${step}_${index}`,
    name,
    arguments: JSON.stringify(args),
  }))
}

function queued(agentId: string, text: string, options: TurnOptions) {
  const input: InputMessage = {
    role: 'user',
    content: text,
    name: null,
    otid: null,
    sender_id: null,
  }
  return {
    agent_id: agentId,
    input: [input],
    source: 'rest',
    idempotency_key: null,
    budget: { max_steps: options.max_steps },
    deadline: null,
    policy: 'enqueue',
    options,
    request_hash: null,
  } as const
}

function requested(step: number): RequestedPayload {
  return {
    step,
    model: 'openai/gpt-4o-mini',
    seen: {},
    agent_version: 1,
    history: { omitted: 0, from_message_id: null },
    context_hash: '',
    request_hash: '',
  }
}

function responded(step: number, reply: Partial<ModelReply>) {
  const tool_calls = reply.tool_calls ?? []
  const response: ModelReply = {
    content: null,
    reasoning: null,
    finish_reason: tool_calls.length > 0 ? 'tool_calls' : 'stop',
    ...reply,
    tool_calls,
  }
  return { step, response, usage: USAGE, latency_ms: 1, provider_response_id: null }
}
