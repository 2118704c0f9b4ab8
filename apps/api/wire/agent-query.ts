import type { FastifyRequest } from 'fastify'
import { AGENT_SORTS, type AgentFilter, type AgentSort } from '#read-models/agents.js'
import type { PageRequest } from '#read-models/listing.js'
import { isLegacyClient } from '../http/client-version.js'
import type { QueryReader } from '../http/query.js'

/** What hangs on an agent and is left empty in a list unless it is asked for. */
export interface Relationships {
  readonly blocks: boolean
  readonly tools: boolean
  readonly tags: boolean
  readonly pendingApproval: boolean
}

export const ALL_RELATIONSHIPS: Relationships = {
  blocks: true,
  tools: true,
  tags: true,
  pendingApproval: true,
}

/**
 * The relationships a list shows: those that `include` (or the older `include_relationships`) names;
 * without either, all for the clients before 1.0 and none for the others.
 */
export function relationshipsOf(query: QueryReader, request: FastifyRequest): Relationships {
  const include = query.texts('include')
  const older = query.texts('include_relationships')
  if (include.length === 0 && older.length === 0) {
    const all = isLegacyClient(request)
    return { blocks: all, tools: all, tags: all, pendingApproval: all }
  }
  const named = (...names: string[]) =>
    names.some((name) => include.includes(`agent.${name}`) || older.includes(name))
  return {
    blocks: named('blocks', 'memory'),
    tools: named('tools'),
    tags: named('tags'),
    pendingApproval: named('pending_approval'),
  }
}

/**
 * What a list of agents is narrowed to; null when the query asks for what no agent has (identities,
 * templates).
 *
 * @throws Problem invalid_query
 */
export function agentFilter(query: QueryReader): AgentFilter | null {
  const absent = ['template_id', 'base_template_id', 'identity_id']
  if (absent.some((name) => query.text(name) !== undefined)) return null
  if (query.texts('identifier_keys').length > 0) return null
  return {
    name: query.text('name'),
    nameSearch: query.text('query_text'),
    tags: query.texts('tags'),
    matchAllTags: query.flag('match_all_tags'),
    projectId: query.text('project_id'),
    lastStopReason: query.text('last_stop_reason'),
    createdById: query.text('created_by_id'),
    showHidden: query.flag('show_hidden_agents'),
  }
}

/** `order_by` with its older name, and the page with the older flag for `order`. */
export function agentPage(query: QueryReader): { page: PageRequest; sort: AgentSort } {
  const page = query.page({ limit: 50, order: 'desc', cursor: 'agent' })
  const sort = query.choice('order_by', AGENT_SORTS) ?? query.choice('sort_by', AGENT_SORTS)
  const ascending = query.flag('ascending')
  const order = query.text('order') === undefined && ascending ? 'asc' : page.order
  return { page: { ...page, order }, sort: sort ?? 'created_at' }
}
