import { type AgentState, missingAgent } from './agent.js'
import { missing } from './block-preconditions.js'
import type { BlockState } from './block-state.js'
import { type Rejection, rejection } from './errors.js'
import { accept, type Decided, reject } from './event.js'

/** A wish of a service's: a turn for the agent when others have changed the text of one of its blocks. */
export interface Trigger {
  readonly id: string
  readonly blockId: string
}

export type TriggerEvent =
  | {
      readonly type: 'TriggerSet'
      readonly payload: {
        readonly trigger_id: string
        readonly block_id: string
        /** The block's version then: only what comes after it wakes. */
        readonly block_version: number
        readonly debounce_ms: number
        /** What the agent is told, before the facts; null: the facts alone. */
        readonly input: string | null
      }
    }
  | {
      readonly type: 'TriggerRemoved'
      readonly payload: {
        readonly trigger_id: string
        readonly block_id: string
        readonly reason: 'removed' | 'block_detached' | 'agent_deleted'
      }
    }
type RemovalReason = Extract<TriggerEvent, { type: 'TriggerRemoved' }>['payload']['reason']

/** Triggers of one agent. */
export const TRIGGERS_MAX = 20
/** How long a block has to be quiet, in milliseconds: unless something else is asked for, and at most. */
export const DEBOUNCE_MS = 2_000
export const DEBOUNCE_MS_MAX = 3_600_000

export interface NewTrigger {
  readonly id: string
  readonly debounceMs: number
  readonly input: string | null
}

/** Any right will do: each lets the agent read the block. */
export function setTrigger(
  agent: AgentState,
  block: BlockState,
  { id, debounceMs, input }: NewTrigger,
): Decided<TriggerEvent[]> {
  const refusal =
    missingAgent(agent) ?? missing(block) ?? notAttached(agent, block) ?? tooMany(agent)
  if (refusal) return reject(refusal)
  const payload = {
    trigger_id: id,
    block_id: block.id,
    block_version: block.version,
    debounce_ms: debounceMs,
    input,
  }
  return accept([{ type: 'TriggerSet', payload }])
}

export function removeTrigger(agent: AgentState, triggerId: string): Decided<TriggerEvent[]> {
  const refusal = missingAgent(agent) ?? missingTrigger(agent, triggerId)
  if (refusal) return reject(refusal)
  return accept(
    removed(
      agent.triggers.filter(({ id }) => id === triggerId),
      'removed',
    ),
  )
}

/** An agent without a block has no use for what watches it: also when the block is deleted. */
export function triggersDetached(agent: AgentState, blockId: string): TriggerEvent[] {
  return removed(
    agent.triggers.filter((trigger) => trigger.blockId === blockId),
    'block_detached',
  )
}

export function triggersOfDeleted(agent: AgentState): TriggerEvent[] {
  return removed(agent.triggers, 'agent_deleted')
}

export function missingTrigger(agent: AgentState, triggerId: string): Rejection | null {
  if (agent.triggers.some(({ id }) => id === triggerId)) return null
  return rejection('trigger_not_found', `Agent ${agent.id} has no trigger ${triggerId}`, {
    agent_id: agent.id,
    trigger_id: triggerId,
  })
}

/** The fold of an agent's triggers, in the order in which they were set. */
export function withTrigger(before: readonly Trigger[], event: TriggerEvent): readonly Trigger[] {
  const { trigger_id: id, block_id: blockId } = event.payload
  const others = before.filter((trigger) => trigger.id !== id)
  return event.type === 'TriggerSet' ? [...others, { id, blockId }] : others
}

function removed(triggers: readonly Trigger[], reason: RemovalReason): TriggerEvent[] {
  return triggers.map(({ id, blockId }) => ({
    type: 'TriggerRemoved',
    payload: { trigger_id: id, block_id: blockId, reason },
  }))
}

function notAttached(agent: AgentState, block: BlockState): Rejection | null {
  if (agent.blocks.some(({ id }) => id === block.id)) return null
  return rejection('not_attached', `Block ${block.id} is not attached to agent ${agent.id}`, {
    block_id: block.id,
    agent_id: agent.id,
  })
}

function tooMany(agent: AgentState): Rejection | null {
  if (agent.triggers.length < TRIGGERS_MAX) return null
  return rejection('too_many_triggers', `An agent has at most ${TRIGGERS_MAX} triggers`, {
    agent_id: agent.id,
    triggers_max: TRIGGERS_MAX,
  })
}
