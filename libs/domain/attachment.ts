import type { Actor } from './actor.js'
import { type AgentEvent, type AgentState, BLOCKS_MAX, missingAgent } from './agent.js'
import { decideBlock } from './block.js'
import type { BlockCommand, BlockEvent, Receipt, Right, Writer } from './block-events.js'
import * as refuse from './block-preconditions.js'
import type { BlockState } from './block-state.js'
import { type Rejection, rejection } from './errors.js'
import { accept, type Decided, reject } from './event.js'
import { unscheduleAll } from './schedule.js'
import type { Append } from './streams.js'
import { triggersDetached, triggersOfDeleted } from './trigger.js'

/**
 * Attachment belongs to both sides, so both streams say it, in one unit: `AgentAttached` on the
 * block's, `BlockAttached` on the agent's. What stands on the agent decides labels and order.
 */

/**
 * Attaching twice changes nothing, unless another right is named.
 *
 * @param right `edit` for a new attachment, when none is named
 */
export function attach(
  block: BlockState,
  agent: AgentState,
  right: Right | null = null,
): Decided<Append[]> {
  const refusal = missingAgent(agent) ?? refuse.missing(block)
  if (refusal) return reject(refusal)
  const known = block.attached[agent.id]
  if (known)
    return accept(
      right === null || right === known ? [] : changeRight(block, agent.id, known, right),
    )
  return attachNew(block, agent, right ?? 'edit')
}

function attachNew(block: BlockState, agent: AgentState, right: Right): Decided<Append[]> {
  const { label } = block.settings
  const full = labelTaken(agent, block.id, label) ?? tooMany(agent)
  if (full) return reject(full)
  return accept([
    onBlock(block, {
      type: 'AgentAttached',
      payload: { intent: { agent_id: agent.id, right }, effect: [], length: block.length },
    }),
    onAgent(agent.id, { type: 'BlockAttached', payload: { block_id: block.id, label, right } }),
  ])
}

function changeRight(block: BlockState, agentId: string, from: Right, to: Right): Append[] {
  const intent = { agent_id: agentId, right: { from, to } }
  return [
    onBlock(block, { type: 'RightChanged', payload: { intent, effect: [], length: block.length } }),
    onAgent(agentId, { type: 'BlockRightChanged', payload: { block_id: block.id, right: to } }),
  ]
}

export function detach(block: BlockState, agent: AgentState, actor: Actor): Decided<Append[]> {
  const refusal = missingAgent(agent) ?? refuse.missing(block)
  if (refusal) return reject(refusal)
  if (!block.attached[agent.id]) {
    return reject(
      rejection('not_attached', `Block ${block.id} is not attached to agent ${agent.id}`, {
        block_id: block.id,
        agent_id: agent.id,
      }),
    )
  }
  if (actor.kind === 'agent' && block.settings.read_only)
    return reject(refuse.readOnly(block, actor.id))
  return accept(detached(block, agent))
}

/**
 * A new agent's blocks, in order: equal labels and unknown blocks fail loudly, and no agent is left
 * behind. Naming a block twice attaches it once.
 */
export function attachAll(blocks: readonly BlockState[], agent: AgentState): Decided<Append[]> {
  let state = agent
  const appends: Append[] = []
  for (const block of new Map(blocks.map((b) => [b.id, b])).values()) {
    const decided = attach(block, state)
    if (!decided.ok) return decided
    appends.push(...decided.value)
    const { label } = block.settings
    const place = state.version + 1
    const attached = { id: block.id, label, right: 'edit' as const, place, attachedAt: '' }
    state = { ...state, version: state.version + 1, blocks: [...state.blocks, attached] }
  }
  return accept(appends)
}

/** What a change of a block appends to it and to its agents, and what its writer is told. */
export interface BlockPatched {
  readonly appends: readonly Append[]
  readonly receipt: Receipt | null
}

/** A PATCH; a new label is told to every attached agent, and refused if one of them has it already. */
export function patchBlock(
  block: BlockState,
  command: Extract<BlockCommand, { type: 'PatchBlock' }>,
  writer: Writer,
  agents: readonly AgentState[],
): Decided<BlockPatched> {
  const decided = decideBlock(block, command, writer)
  if (!decided.ok) return decided
  const { events, receipt } = decided.value
  const appends: Append[] = events.map((event) => onBlock(block, event, writer.baseVersion))
  const { label } = command.settings
  if (label === undefined || label === block.settings.label) return accept({ appends, receipt })
  for (const agent of agents) {
    const taken = labelTaken(agent, block.id, label)
    if (taken) return reject({ ...taken, atVersion: block.version })
    appends.push(
      onAgent(agent.id, { type: 'BlockRelabelled', payload: { block_id: block.id, label } }),
    )
  }
  return accept({ appends, receipt })
}

/** Ends every attachment; the history stays readable. */
export function deleteBlock(
  block: BlockState,
  reason: string | null,
  agents: readonly AgentState[],
  writer: Writer | null = null,
): Decided<Append[]> {
  const refusal = refuse.missing(block) ?? (writer && refuse.preconditionFault(block, writer))
  if (refusal) return reject(refusal)
  return accept([
    onBlock(block, {
      type: 'BlockDeleted',
      payload: { intent: { reason }, effect: [], length: block.length },
    }),
    ...agents.flatMap((agent) => ofAgentDetached(block, agent)),
  ])
}

/** The agent's blocks survive it. */
export function deleteAgent(agent: AgentState, blocks: readonly BlockState[]): Decided<Append[]> {
  const refusal = missingAgent(agent)
  if (refusal) return reject(refusal)
  return accept([
    ...triggersOfDeleted(agent).map((event) => onAgent(agent.id, event)),
    ...blocks.flatMap((block) => detached(block, { ...agent, triggers: [] })),
    ...unscheduleAll(agent).map((event) => onAgent(agent.id, event)),
    onAgent(agent.id, { type: 'AgentDeleted', payload: {} }),
  ])
}

function detached(block: BlockState, agent: AgentState): Append[] {
  return [
    onBlock(block, {
      type: 'AgentDetached',
      payload: { intent: { agent_id: agent.id }, effect: [], length: block.length },
    }),
    ...ofAgentDetached(block, agent),
  ]
}

/** What watches a block ends with its attachment. */
function ofAgentDetached(block: BlockState, agent: AgentState): Append[] {
  const ended = triggersDetached(agent, block.id)
  const gone: AgentEvent = { type: 'BlockDetached', payload: { block_id: block.id } }
  return [...ended, gone].map((event) => onAgent(agent.id, event))
}

function labelTaken(agent: AgentState, blockId: string, label: string): Rejection | null {
  const other = agent.blocks.find((b) => b.label === label && b.id !== blockId)
  if (!other) return null
  return rejection(
    'label_taken',
    `Agent ${agent.settings.name} already has a block with the label ${label}`,
    {
      agent_id: agent.id,
      label,
      block_id: other.id,
    },
  )
}

function tooMany(agent: AgentState): Rejection | null {
  if (agent.blocks.length < BLOCKS_MAX) return null
  return rejection('too_many_blocks', `An agent has at most ${BLOCKS_MAX} blocks`, {
    agent_id: agent.id,
    blocks_max: BLOCKS_MAX,
  })
}

function onBlock(
  block: BlockState,
  event: BlockEvent,
  baseVersion: number | null = null,
): Append<BlockEvent> {
  return { streamId: block.id, event, baseVersion }
}

function onAgent(agentId: string, event: AgentEvent): Append<AgentEvent> {
  return { streamId: agentId, event }
}
