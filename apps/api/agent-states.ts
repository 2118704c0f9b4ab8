import { type AgentView, agentById, messageIdsOfAgents } from '#read-models/agents.js'
import { blocksOfAgents } from '#read-models/attachments.js'
import { pendingApprovals } from '#read-models/pending-approvals.js'
import type { Reads } from '#read-models/reads.js'
import { toolsByIds } from '#read-models/tools.js'
import { existingAgent } from './missing.js'
import { TENANT } from './tenant.js'
import { ALL_RELATIONSHIPS, type Relationships } from './wire/agent-query.js'
import { renderAgent } from './wire/agent-wire.js'

export type AgentState = ReturnType<typeof renderAgent>

/**
 * Agents with what hangs on them, each kind read in one batch.
 *
 * @param relationships what is shown; the rest is left empty
 */
export async function agentStates(
  reads: Reads,
  agents: readonly AgentView[],
  relationships: Relationships,
): Promise<AgentState[]> {
  const ids = agents.map((agent) => agent.id)
  const toolIds = new Set(agents.flatMap((agent) => agent.toolIds))
  const [messageIds, blocks, tools, approvals] = await Promise.all([
    messageIdsOfAgents(reads, TENANT, ids),
    blocksOfAgents(reads, TENANT, relationships.blocks ? ids : []),
    toolsByIds(reads.db, TENANT, relationships.tools ? [...toolIds] : []),
    pendingApprovals(reads.db, TENANT, relationships.pendingApproval ? ids : []),
  ])
  const toolsById = new Map(tools.map((tool) => [tool.tool_id, tool]))
  return agents.map((agent) =>
    renderAgent(agent, {
      blocks: blocks.get(agent.id) ?? [],
      tools: agent.toolIds.flatMap((id) => toolsById.get(id) ?? []),
      tags: relationships.tags ? agent.settings.tags : [],
      messageIds: messageIds.get(agent.id) ?? [],
      pendingApproval: approvals.get(agent.id) ?? null,
    }),
  )
}

/**
 * One agent with everything.
 *
 * @throws Problem agent_not_found, gone
 */
export async function agentState(reads: Reads, agentId: string): Promise<AgentState> {
  const agent = existingAgent(await agentById(reads, TENANT, agentId), agentId)
  const [state] = await agentStates(reads, [agent], ALL_RELATIONSHIPS)
  return state as AgentState
}
