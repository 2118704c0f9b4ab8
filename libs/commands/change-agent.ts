import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs'
import {
  type AgentCommand,
  type AgentSettings,
  type AgentState,
  createAgent,
  decideAgent,
  type ToolToAttach,
} from '#domain/agent.js'
import { attach, attachAll, deleteAgent, detach } from '#domain/attachment.js'
import { createBlock, type NewBlockSettings } from '#domain/block.js'
import type { Right } from '#domain/block-events.js'
import { draft } from '#domain/draft.js'
import { accept, type Decided } from '#domain/event.js'
import { type ScheduleSettings, scheduleAgent, unscheduleAgent } from '#domain/schedule.js'
import type { Append } from '#domain/streams.js'
import { type NewTrigger, removeTrigger, setTrigger } from '#domain/trigger.js'
import type { Decision, States } from '#event-store/unit.js'
import { Writer } from '#event-store/writer.js'
import { type CommandMetadata, type Outcome, outcome, submit } from './metadata.js'
import { type AgentPatch, detachedBy, onAgent, patchAgent } from './patch-agent.js'

/** A block that is made together with its agent. */
export interface NewBlock {
  readonly id: string
  readonly value: string
  readonly settings: NewBlockSettings
}

export type AgentChange =
  | AgentCommand
  | AgentPatch
  | {
      readonly type: 'CreateAgent'
      readonly settings: Partial<AgentSettings> & Pick<AgentSettings, 'name' | 'system' | 'model'>
      readonly tools: readonly ToolToAttach[]
      /** Existing blocks, attached in this order, after the new ones. */
      readonly blockIds: readonly string[]
      readonly newBlocks: readonly NewBlock[]
    }
  | { readonly type: 'DeleteAgent' }
  /** `right` null: `edit` for a new attachment, and no change of one there is. */
  | { readonly type: 'AttachBlock'; readonly blockId: string; readonly right: Right | null }
  | { readonly type: 'DetachBlock'; readonly blockId: string }
  | { readonly type: 'SetTrigger'; readonly blockId: string; readonly trigger: NewTrigger }
  | { readonly type: 'RemoveTrigger'; readonly triggerId: string }
  | {
      readonly type: 'ScheduleAgent'
      readonly scheduleId: string
      readonly settings: ScheduleSettings
    }
  | { readonly type: 'UnscheduleAgent'; readonly scheduleId: string }

export interface AgentChanged {
  readonly agent_id: string
  /** The agent's version after the command. */
  readonly version: number
  readonly changed: boolean
}

/** A command on an agent and the blocks it concerns: one unit over all their streams. */
export class ChangeAgent extends Command<Outcome<AgentChanged>> {
  constructor(
    readonly agentId: string,
    readonly change: AgentChange,
    readonly by: CommandMetadata,
  ) {
    super()
  }
}

@CommandHandler(ChangeAgent)
export class ChangeAgentHandler implements ICommandHandler<ChangeAgent> {
  constructor(private readonly writer: Writer) {}

  async execute({ agentId, change, by }: ChangeAgent): Promise<Outcome<AgentChanged>> {
    const verdict = await submit(this.writer, by, {
      streams: [agentId, ...blocksOf(change)],
      decide: (states, now) => decide(states, agentId, change, { actor: by.actor, now }),
    })
    return outcome(verdict)
  }
}

function blocksOf(change: AgentChange): string[] {
  switch (change.type) {
    case 'CreateAgent':
      return [...change.newBlocks.map((block) => block.id), ...change.blockIds]
    case 'PatchAgent':
      return [...(change.blockIds ?? [])]
    case 'AttachBlock':
    case 'DetachBlock':
    case 'SetTrigger':
      return [change.blockId]
    default:
      return []
  }
}

interface By {
  readonly actor: CommandMetadata['actor']
  readonly now: string
}

function decide(
  states: States,
  agentId: string,
  change: AgentChange,
  by: By,
): Decision<AgentChanged> {
  const agent = states.agent(agentId)
  if (change.type === 'DeleteAgent') {
    const blockIds = agent.blocks.map((block) => block.id)
    if (blockIds.some((id) => !states.has(id))) return { needs: blockIds }
  }
  if (change.type === 'PatchAgent') {
    const blockIds = detachedBy(agent, change)
    if (blockIds.some((id) => !states.has(id))) return { needs: blockIds }
  }
  const decided = judge(states, agent, change, by)
  if (!decided.ok) return { rejection: decided.rejection }
  const appends = decided.value
  const own = appends.filter((append) => append.streamId === agentId).length
  const result = { agent_id: agentId, version: agent.version + own, changed: appends.length > 0 }
  return { appends, result }
}

function judge(states: States, agent: AgentState, change: AgentChange, by: By): Decided<Append[]> {
  switch (change.type) {
    case 'CreateAgent':
      return create(states, agent, change, by)
    case 'PatchAgent':
      return patchAgent(states, agent, change, by)
    case 'DeleteAgent':
      return deleteAgent(
        agent,
        agent.blocks.map((block) => states.block(block.id)),
      )
    case 'AttachBlock':
      return attach(states.block(change.blockId), agent, change.right)
    case 'DetachBlock':
      return detach(states.block(change.blockId), agent, by.actor)
    case 'SetTrigger':
      return onAgent(agent, setTrigger(agent, states.block(change.blockId), change.trigger))
    case 'RemoveTrigger':
      return onAgent(agent, removeTrigger(agent, change.triggerId))
    case 'ScheduleAgent':
      return onAgent(agent, scheduleAgent(agent, change.scheduleId, change.settings))
    case 'UnscheduleAgent':
      return onAgent(agent, unscheduleAgent(agent, change.scheduleId))
    default:
      return onAgent(agent, decideAgent(agent, change))
  }
}

/** Agent, tools and blocks come into being together or not at all. */
function create(
  states: States,
  agent: AgentState,
  change: Extract<AgentChange, { type: 'CreateAgent' }>,
  by: By,
): Decided<Append[]> {
  const created = createAgent(agent, change.settings, change.tools)
  if (!created.ok) return created
  const appends: Append[] = created.value.map((event) => ({ streamId: agent.id, event }))
  const blocks = []
  for (const { id, value, settings } of change.newBlocks) {
    const block = createBlock(states.block(id), value, settings)
    if (!block.ok) return block
    appends.push(...block.value.events.map((event) => ({ streamId: id, event })))
    blocks.push(draft(states.block(id), block.value.events, by))
  }
  blocks.push(...change.blockIds.map((id) => states.block(id)))
  const attached = attachAll(blocks, draft(agent, created.value, by))
  return attached.ok ? accept([...appends, ...attached.value]) : attached
}
