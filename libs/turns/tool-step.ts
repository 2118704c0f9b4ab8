import { createHash } from 'node:crypto'
import type { ToolStep } from '#commands/run-tool-step.js'
import type { Actor } from '#domain/actor.js'
import type { AgentState } from '#domain/agent.js'
import type { BlockState } from '#domain/block-state.js'
import type { CallState, StepState } from '#domain/turn.js'
import type { Seen } from '#domain/turn-events.js'
import type { KnownStreams } from '#event-store/known-streams.js'
import { derivedId } from '#read-models/derived-id.js'
import { prepareAnswered, usedArguments } from './answered-call.js'
import { terminalTools } from './builtin-tools.js'
import type { Claim } from './mailbox.js'
import { memoryDelta, toldVersions } from './memory-delta.js'
import { movedBlocks } from './moved-blocks.js'
import type { Search } from './ports.js'
import { type ContextSources, requested, type TurnContext } from './turn-context.js'
import type { ToolCommit } from './turn-journal.js'

/** Where in its turn a call stands. */
export interface CallPlace {
  readonly runId: string
  readonly context: TurnContext
  readonly step: StepState
  /** The steps before it. */
  readonly before: readonly StepState[]
  readonly call: CallState
}

/**
 * Runs a tool that reads, or names what one that edits asks for, and makes the commit of its return ready.
 */
export async function toolStep(
  options: ContextSources & { readonly streams: KnownStreams; readonly search: Search },
  { tenantId, agentId }: Claim,
  { runId, context, step, before, call }: CallPlace,
  signal: AbortSignal,
): Promise<{ readonly tool: ToolStep; readonly by: ToolCommit }> {
  const { reads, streams, db, search } = options
  const shown = Object.keys(step.seen)
  const now = await streams.fold(tenantId, [agentId, ...shown])
  const agent = now.get(agentId)?.state as AgentState
  const newBlockId = (n: number) => derivedId('block', tenantId, runId, step.step, call.index, n)
  const sources = { db, search, tenantId, agentId, now: new Date(), signal, newBlockId }
  const actor: Actor = { kind: 'agent', id: agent.id, name: agent.settings.name }
  const { edits, describe } = await prepareAnswered(call, agent, sources)
  const isTold = agent.settings.memory_updates
  // As late as can be, since what comes later is told at the next step: a tool that edits has taken no time,
  // one that reads may have taken seconds.
  const latest = isTold && edits.length === 0 ? await streams.fold(tenantId, shown) : now
  const blocks = shown.map((id) => latest.get(id)?.state as BlockState)
  const known = toldOrSeen(before, step)
  const news = isTold ? await movedBlocks(reads, tenantId, blocks, known) : []
  const tool: ToolStep = {
    runId,
    agentId,
    step: step.step,
    index: call.index,
    toolCallId: call.tool_call_id,
    edits: edits.map((edit) => ({ ...edit, baseVersion: step.seen[edit.blockId] ?? null })),
    describe,
    terminal: terminalTools(agent.settings.agent_type),
    request(next, seen, withReturn) {
      const steps = [...before, withReturn]
      const told = memoryDelta(news, seen, steps, actor, runId)
      return requested(options, context, next, told.seen, steps, told.delta)
    },
  }
  const called = JSON.stringify([call.name, usedArguments(call)])
  const fingerprint = createHash('sha256').update(called).digest()
  return { tool, by: { actor, fingerprint } }
}

/** The versions of its blocks that a step's model knows of, in full or not. */
function toldOrSeen(before: readonly StepState[], step: StepState): Seen {
  const told = toldVersions([...before, step])
  const known = Object.entries(step.seen).map(
    ([id, version]) => [id, Math.max(version, told[id] ?? 0)] as const,
  )
  return Object.fromEntries(known)
}
