import type { AgentEvent, AgentState } from './agent.js'
import { echo, rejection } from './errors.js'
import { accept, type Decided, reject } from './event.js'

/** A rule about the calls of an agent's tools, as its creator wrote it. */
export type ToolRule = Readonly<Record<string, unknown>>

/** The type of the rule by which the calls of one tool wait for a person. */
const REQUIRES_APPROVAL = 'requires_approval'

/** Names of the tools whose calls wait for a person. */
export function approvalTools({ settings }: AgentState): ReadonlySet<unknown> {
  return new Set(settings.tool_rules.filter(isApproval).map((rule) => rule.tool_name))
}

export function setToolApproval(
  state: AgentState,
  toolName: string,
  requires_approval: boolean,
): Decided<AgentEvent[]> {
  const tool = state.tools.find((t) => t.name === toolName)
  if (!tool) {
    const detail = `Agent ${state.id} has no tool ${echo(toolName)}`
    return reject(rejection('tool_not_found', detail, { agent_id: state.id, name: toolName }))
  }
  if (approvalTools(state).has(toolName) === requires_approval) return accept([])
  return accept([{ type: 'ToolApprovalChanged', payload: { tool_id: tool.id, requires_approval } }])
}

/** The fold of `requires_approval`: one rule about the tool, or none. */
export function withToolApproval(state: AgentState, toolId: string, required: boolean): AgentState {
  const { settings, tools } = state
  const tool_name = tools.find((tool) => tool.id === toolId)?.name
  if (tool_name === undefined) return state
  const others = settings.tool_rules.filter(
    (rule) => !isApproval(rule) || rule.tool_name !== tool_name,
  )
  const tool_rules = required ? [...others, { type: REQUIRES_APPROVAL, tool_name }] : others
  return { ...state, settings: { ...settings, tool_rules } }
}

function isApproval(rule: ToolRule): boolean {
  return rule.type === REQUIRES_APPROVAL
}
