import type { Actor } from '#domain/actor.js'
import {
  type AgentCommand,
  type AgentEvent,
  type AgentSettings,
  type AgentState,
  decideAgent,
  type ToolToAttach,
} from '#domain/agent.js'
import { attach, detach } from '#domain/attachment.js'
import { draft } from '#domain/draft.js'
import { accept, type Decided } from '#domain/event.js'
import type { Append } from '#domain/streams.js'
import type { States } from '#event-store/unit.js'

/** Settings, tools and blocks of an agent in one unit; `tools` and `blockIds` are what it shall have. */
export interface AgentPatch {
  readonly type: 'PatchAgent'
  readonly settings: Partial<AgentSettings>
  readonly tools?: readonly ToolToAttach[]
  readonly blockIds?: readonly string[]
}

interface By {
  readonly actor: Actor
  readonly now: string
}

/** The blocks that go. */
export function detachedBy(agent: AgentState, { blockIds }: AgentPatch): string[] {
  if (!blockIds) return []
  return agent.blocks.map((block) => block.id).filter((id) => !blockIds.includes(id))
}

/** What goes, goes first: so a block may take over the label of one that leaves. */
export function patchAgent(
  states: States,
  agent: AgentState,
  patch: AgentPatch,
  by: By,
): Decided<Append[]> {
  const appends: Append[] = []
  let current = agent
  for (const step of steps(states, agent, patch, by)) {
    const decided = step(current)
    if (!decided.ok) return decided
    const own = decided.value.filter((append) => append.streamId === agent.id)
    const events = own.map((append) => append.event as AgentEvent)
    appends.push(...decided.value)
    current = draft(current, events, by)
  }
  return accept(appends)
}

type Step = (current: AgentState) => Decided<Append[]>

function steps(states: States, agent: AgentState, patch: AgentPatch, by: By): Step[] {
  const configure: AgentCommand = { type: 'ConfigureAgent', settings: patch.settings }
  const attached = new Set(agent.blocks.map((block) => block.id))
  const joining = [...new Set(patch.blockIds)].filter((id) => !attached.has(id))
  return [
    ...[configure, ...toolCommands(agent, patch.tools)].map((command): Step => {
      return (current) => onAgent(current, decideAgent(current, command))
    }),
    ...detachedBy(agent, patch).map((id): Step => {
      return (current) => detach(states.block(id), current, by.actor)
    }),
    ...joining.map((id): Step => {
      return (current) => attach(states.block(id), current)
    }),
  ]
}

function toolCommands(agent: AgentState, tools?: readonly ToolToAttach[]): AgentCommand[] {
  if (!tools) return []
  const wanted = new Set(tools.map((tool) => tool.id))
  const leaving = agent.tools.filter((tool) => !wanted.has(tool.id))
  return [
    ...leaving.map(({ id }): AgentCommand => ({ type: 'DetachTool', toolId: id })),
    ...tools.map((tool): AgentCommand => ({ type: 'AttachTool', tool })),
  ]
}

/** A decision about an agent alone, as what it appends. */
export function onAgent(agent: AgentState, decided: Decided<AgentEvent[]>): Decided<Append[]> {
  if (!decided.ok) return decided
  return accept(decided.value.map((event) => ({ streamId: agent.id, event })))
}
