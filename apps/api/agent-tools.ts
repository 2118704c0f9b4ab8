import type { AgentType, AttachedTool } from '#domain/agent.js'
import type { Database } from '#postgres/database.js'
import { type ToolRow, toolsByIds, toolsByNames } from '#read-models/tools.js'
import { Problem } from './http/problem.js'
import { TENANT } from './tenant.js'

const MEMORY_TOOLS = ['conversation_search', 'memory_insert', 'memory_replace']
const CLASSIC_TOOLS = [
  'send_message',
  'conversation_search',
  'core_memory_append',
  'core_memory_replace',
  'memory',
  'memory_apply_patch',
]
const CHAT_WITH_SLEEPTIME_TOOLS = ['send_message', 'conversation_search', 'archival_memory_search']

/** The tools an agent gets without being given any. */
function baseTools(type: AgentType, hasSleeptime: boolean): readonly string[] {
  switch (type) {
    case 'letta_v1_agent':
      return MEMORY_TOOLS
    case 'memgpt_v2_agent':
      return [...MEMORY_TOOLS, 'send_message']
    case 'sleeptime_agent':
    case 'voice_sleeptime_agent':
      return ['memory_replace', 'memory_insert', 'memory_rethink', 'memory_finish_edits']
    case 'react_agent':
    case 'workflow_agent':
      return []
    default:
      return hasSleeptime ? CHAT_WITH_SLEEPTIME_TOOLS : CLASSIC_TOOLS
  }
}

export interface WantedTools {
  readonly agentType: AgentType
  readonly hasSleeptime: boolean
  readonly includeBase: boolean
  readonly names: readonly string[]
  readonly ids: readonly string[]
}

/**
 * A new agent's tools: those of its type, as far as they are there, then those named, then those by id.
 *
 * @throws Problem tools_not_found, tool_not_found
 */
export async function newAgentTools(db: Database, wanted: WantedTools): Promise<AttachedTool[]> {
  const base = wanted.includeBase ? baseTools(wanted.agentType, wanted.hasSleeptime) : []
  const names = [...new Set([...base, ...wanted.names])]
  const named = await toolsByNames(db, TENANT, names)
  const found = new Set(named.map((tool) => tool.name))
  const unknown = [...new Set(wanted.names)].filter((name) => !found.has(name))
  if (unknown.length > 0) {
    throw new Problem('tools_not_found', `Tools not found by name: ${unknown.join(', ')}`, {
      facts: { names: unknown },
    })
  }
  return [...named.map(attached), ...(await existingTools(db, wanted.ids))]
}

/** @throws Problem tool_not_found */
export async function existingTools(
  db: Database,
  toolIds: readonly string[],
): Promise<AttachedTool[]> {
  const ids = [...new Set(toolIds)]
  const rows = await toolsByIds(db, TENANT, ids)
  const found = new Set(rows.map((tool) => tool.tool_id))
  const unknown = ids.find((id) => !found.has(id))
  if (unknown === undefined) return rows.map(attached)
  throw new Problem('tool_not_found', `Tool ${unknown} not found`, { facts: { tool_id: unknown } })
}

function attached(tool: ToolRow): AttachedTool {
  return { id: tool.tool_id, name: tool.name }
}
