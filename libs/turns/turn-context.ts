import { createHmac } from 'node:crypto'
import type { AgentState } from '#domain/agent.js'
import type { BlockState } from '#domain/block-state.js'
import { awaitsCompacted, compactionTokens } from '#domain/compaction.js'
import type { StepState, TurnState } from '#domain/turn.js'
import type { HistoryWindow, MemoryDelta, Seen } from '#domain/turn-events.js'
import type { RequestedPayload } from '#domain/turn-steps.js'
import { KnownStreams } from '#event-store/known-streams.js'
import { StateCache } from '#event-store/state-cache.js'
import type { Queryable } from '#event-store/stream-reader.js'
import type { Database } from '#postgres/database.js'
import { type Past, type PastMessageOfRun, Pasts } from '#read-models/past.js'
import { type ToolSchema, ToolSchemas } from '#read-models/tool-schemas.js'
import {
  type CompiledPrompt,
  estimateTokens,
  fitHistory,
  fixedTokens,
  modelMessages,
  summaryText,
} from './context.js'
import type { Model, ModelMessage, ModelRequest, ModelTool } from './ports.js'
import { compilePrompt } from './prompt.js'

/** Share of the window that a prompt may fill: the rest is for the answer and for what the turn itself adds. */
export const FILLED_SHARE = 0.75

/** Everything a turn asks its model with; the same through all its steps, and after a resume. */
export interface TurnContext {
  /** The handle that is asked; fixed by the turn's first request, whatever a name comes to mean later. */
  readonly model: string
  /** What the agent or the caller calls it. */
  readonly askedAs: string
  readonly prompt: CompiledPrompt
  readonly agent: AgentState
  readonly seen: Seen
  readonly history: HistoryWindow
  /** All it could be sent of earlier turns. */
  readonly past: readonly PastMessageOfRun[]
  /** What all calls of the turn together may use; null: no bound. */
  readonly tokensMax: number | null
}

/** The agent's system text and memory alone do not fit its window. */
export class PromptTooLong extends Error {
  constructor(
    readonly tokens: number,
    readonly window: number,
  ) {
    super(`The prompt needs about ${tokens} tokens; the window of the model has ${window}`)
    this.name = 'PromptTooLong'
  }
}

export interface ContextSources {
  readonly reads: Queryable
  readonly db: Database
  /** Of this database: hashes of prompts cannot be guessed from outside. */
  readonly key: Buffer
  /** What is remembered of streams, of which turns ask for together; by default each asks for itself, as below. */
  readonly streams?: KnownStreams
  readonly tools?: ToolSchemas
  readonly pasts?: Pasts
  /** Who answers for a name; not needed for a turn that has begun. */
  readonly model?: Pick<Model, 'route'>
}

/**
 * Compiles a turn's prompt from the heads as they are now, or, for a turn that has begun, again from
 * the versions it recorded: a resumed turn sends what it sent before. Behind a compaction its history is
 * chosen anew.
 *
 * @param known the heads, where they have just been read
 * @throws PromptTooLong
 */
export async function compileContext(
  sources: ContextSources,
  tenantId: string,
  turn: TurnState,
  seq: number,
  known: Heads | null = null,
): Promise<TurnContext> {
  const first = turn.steps[0]
  const { reads } = sources
  const { streams = new KnownStreams(reads, new StateCache(0)) } = sources
  const { tools: schemas = new ToolSchemas(reads), pasts = new Pasts(reads) } = sources
  const { agent, blocks } = first
    ? await shown(streams, tenantId, turn.agentId, first)
    : (known ?? (await readHeads(streams, tenantId, turn.agentId)))
  const toolIds = agent.tools.map((tool) => tool.id)
  const recorded = awaitsCompacted(turn) ? null : (turn.steps.at(-1)?.history ?? null)
  const { resetThrough } = agent
  const summaryAsked = summarySent(recorded)
  const [tools, past] = await Promise.all([
    schemas.of(tenantId, toolIds),
    pasts.of(tenantId, { agentId: turn.agentId, seq, resetThrough, summary: summaryAsked }),
  ])
  const { summary } = past
  const settings =
    turn.options.override_system === null
      ? agent.settings
      : { ...agent.settings, system: turn.options.override_system }
  const bare: CompiledPrompt = {
    system: compilePrompt(settings, blocks),
    summary: null,
    history: [],
    input: turn.input,
    tools: offered(tools.map(toModelTool), turn.options.client_tools),
  }
  const prompt = { ...bare, summary: summary?.text ?? null }
  const fitted = recorded
    ? { history: since(past.messages, recorded.from_message_id), omitted: recorded.omitted }
    : withinWindow(prompt, agent, past)
  const askedAs = turn.options.override_model ?? agent.settings.model
  return {
    model: first?.model ?? sources.model?.route(askedAs)?.handle ?? askedAs,
    askedAs,
    prompt: { ...prompt, history: fitted.history },
    agent,
    seen: Object.fromEntries(blocks.map((block) => [block.id, block.version])),
    history: {
      omitted: fitted.omitted,
      from_message_id: fitted.history[0]?.message_id ?? null,
      ...(summary ? { summary_message_id: summary.message_id } : {}),
    },
    past: past.messages,
    tokensMax: tokensFor(turn),
  }
}

/** A step that was asked has the summary it was sent, if any; the next has the newest. */
function summarySent(recorded: HistoryWindow | null): string | null {
  return recorded ? (recorded.summary_message_id ?? null) : 'any'
}

/** What summaries have cost is no longer there for the steps. */
function tokensFor({ budget, compactions }: TurnState): number | null {
  if (budget.max_tokens === undefined) return null
  return budget.max_tokens - compactionTokens(compactions)
}

/** An agent with its blocks. */
export interface Heads {
  readonly agent: AgentState
  readonly blocks: readonly BlockState[]
}

/** The agent and its blocks as they are now. Those it had when last seen are read with it. */
export async function readHeads(
  streams: KnownStreams,
  tenantId: string,
  agentId: string,
): Promise<Heads> {
  const before = streams.remembered(tenantId, agentId)?.state as AgentState | undefined
  const blockIds = (agent: AgentState | undefined) => agent?.blocks.map((block) => block.id) ?? []
  const folded = await streams.fold(tenantId, [agentId, ...blockIds(before)])
  const agent = folded.get(agentId)?.state as AgentState
  const others = blockIds(agent).filter((id) => !folded.has(id))
  const further = await streams.fold(tenantId, others)
  const blocks = blockIds(agent).map((id) => (folded.get(id) ?? further.get(id))?.state)
  return { agent, blocks: (blocks as BlockState[]).filter((block) => !block.deleted) }
}

/** The agent and its blocks as the turn's first step saw them. */
async function shown(
  streams: KnownStreams,
  tenantId: string,
  agentId: string,
  { agentVersion, seen }: StepState,
): Promise<Heads> {
  const versions = new Map([[agentId, agentVersion], ...Object.entries(seen)])
  const folded = await streams.at(tenantId, versions)
  const agent = folded.get(agentId)?.state as AgentState
  const blocks = agent.blocks.flatMap(({ id }) => folded.get(id)?.state ?? [])
  return { agent, blocks: blocks as BlockState[] }
}

function withinWindow(
  bare: CompiledPrompt,
  agent: AgentState,
  past: Past,
): { history: CompiledPrompt['history']; omitted: number } {
  const window = agent.settings.context_window_limit
  const fixed = fixedTokens(bare)
  if (fixed > window) throw new PromptTooLong(fixed, window)
  const { history, omitted } = fitHistory(
    past.messages,
    Math.floor(window * FILLED_SHARE) - fixed - summaryOf(bare),
  )
  return { history, omitted: omitted + past.total - past.messages.length }
}

function summaryOf({ summary }: CompiledPrompt): number {
  return summary === null ? 0 : estimateTokens(summaryText(summary))
}

function since<M extends { message_id: string }>(
  messages: readonly M[],
  from: string | null,
): readonly M[] {
  const at =
    from === null ? messages.length : messages.findIndex((message) => message.message_id === from)
  return messages.slice(Math.max(at, 0))
}

/** A tool of the caller's takes the place of the agent's of that name. */
function offered(own: readonly ModelTool[], callers: readonly ModelTool[] = []): ModelTool[] {
  const names = new Set(callers.map((tool) => tool.name))
  return [...own.filter((tool) => !names.has(tool.name)), ...callers]
}

function toModelTool(row: ToolSchema): ModelTool {
  const schema = row.json_schema as { description?: string; parameters?: Record<string, unknown> }
  return {
    name: row.name,
    description: schema.description ?? row.description ?? '',
    parameters: schema.parameters ?? { type: 'object', properties: {} },
  }
}

/**
 * The request of a step: the compiled prompt, the finished steps before it, and what others changed since.
 * A budget bounds its answer to what is left when the prompt is paid for; at 0 it must not be sent.
 */
export function modelRequest(
  context: TurnContext,
  steps: readonly StepState[],
  delta: MemoryDelta | null = null,
): ModelRequest {
  const settings = context.agent.settings.model_settings as {
    max_output_tokens?: unknown
    temperature?: unknown
    parallel_tool_calls?: unknown
  }
  const messages = modelMessages(context.prompt, steps, delta)
  const { max_output_tokens: asked } = settings
  const bounds = [
    ...(typeof asked === 'number' ? [asked] : []),
    ...(context.tokensMax === null ? [] : [tokensLeft(context.tokensMax, steps, messages)]),
  ]
  return {
    model: context.model,
    messages,
    tools: context.prompt.tools,
    ...(bounds.length > 0 ? { maxOutputTokens: Math.min(...bounds) } : {}),
    ...(typeof settings.temperature === 'number' ? { temperature: settings.temperature } : {}),
    ...(typeof settings.parallel_tool_calls === 'boolean'
      ? { parallelToolCalls: settings.parallel_tool_calls }
      : {}),
  }
}

/** Tokens an answer may have once its prompt is paid for. */
export function tokensLeft(
  max: number,
  steps: readonly StepState[],
  messages: readonly ModelMessage[],
): number {
  const used = steps.reduce((sum, { usage }) => sum + (usage?.total_tokens ?? 0), 0)
  return Math.max(0, max - used - estimateTokens(JSON.stringify(messages)))
}

/** What is recorded before a call: which versions the model is about to be shown, and keyed hashes of all of it. */
export function requested(
  sources: ContextSources,
  context: TurnContext,
  step: number,
  seen: Seen,
  steps: readonly StepState[],
  delta: MemoryDelta | null = null,
): RequestedPayload {
  const request = modelRequest(context, steps, delta)
  const hash = (value: unknown): string =>
    createHmac('sha256', sources.key).update(JSON.stringify(value)).digest('hex')
  return {
    step,
    model: context.model,
    ...(context.askedAs === context.model ? {} : { asked_as: context.askedAs }),
    seen,
    agent_version: context.agent.version,
    history: context.history,
    ...(delta ? { delta } : {}),
    context_hash: hash(request.messages),
    request_hash: hash(request),
  }
}
