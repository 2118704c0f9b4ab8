import type { AgentType, ToolToAttach } from '#domain/agent.js'
import { echo } from '#domain/errors.js'
import type { Database } from '#postgres/database.js'
import { type ToolRow, toolsByIds, toolsByNames } from '#read-models/tools.js'
import { baseToolNames } from '#turns/builtin-tools.js'
import { Problem } from './http/problem.js'
import { TENANT } from './tenant.js'

const NAMES_SHOWN_MAX = 20

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
export async function newAgentTools(db: Database, wanted: WantedTools): Promise<ToolToAttach[]> {
  const base = wanted.includeBase ? baseToolNames(wanted.agentType, wanted.hasSleeptime) : []
  const names = [...new Set([...base, ...wanted.names])]
  const named = await toolsByNames(db, TENANT, names)
  const found = new Set(named.map((tool) => tool.name))
  const unknown = [...new Set(wanted.names)].filter((name) => !found.has(name))
  if (unknown.length > 0) {
    const names = unknown.slice(0, NAMES_SHOWN_MAX).map((name) => echo(name))
    throw new Problem('tools_not_found', `Tools not found by name: ${names.join(', ')}`, {
      facts: { names },
    })
  }
  return [...named.map(toAttach), ...(await existingTools(db, wanted.ids))]
}

/** @throws Problem tool_not_found */
export async function existingTools(
  db: Database,
  toolIds: readonly string[],
): Promise<ToolToAttach[]> {
  const ids = [...new Set(toolIds)]
  const rows = await toolsByIds(db, TENANT, ids)
  const found = new Set(rows.map((tool) => tool.tool_id))
  const unknown = ids.find((id) => !found.has(id))
  if (unknown === undefined) return rows.map(toAttach)
  throw new Problem('tool_not_found', `Tool ${unknown} not found`, { facts: { tool_id: unknown } })
}

/** A tool as an agent gets it: whether its calls wait for a person is the tool's own word at first. */
export function toAttach(tool: ToolRow): ToolToAttach {
  const requiresApproval = tool.default_requires_approval === true
  return { id: tool.tool_id, name: tool.name, requiresApproval }
}
