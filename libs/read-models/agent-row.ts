import type { AgentState } from '#domain/agent.js'
import type { StreamEvent } from '#event-store/unit.js'
import type { AgentRow } from '#postgres/tables.js'

/** Settings of an agent, with what lists filter by in columns of its own. */
export function agentRow(event: StreamEvent, state: AgentState): AgentRow {
  const { settings } = state
  return {
    tenant_id: event.tenantId,
    agent_id: state.id,
    name: settings.name,
    tags: [...settings.tags],
    settings,
    tool_ids: state.tools.map((tool) => tool.id),
    hidden: settings.hidden,
    project_id: settings.project_id,
    deleted: state.deleted,
    reset_through: state.resetThrough,
    created_at: state.createdAt,
    created_by: state.createdBy ?? event.actor,
  }
}
