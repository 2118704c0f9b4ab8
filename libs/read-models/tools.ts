import { type Selectable, type SelectQueryBuilder, sql } from 'kysely'
import type { Database } from '#postgres/database.js'
import type { Tables } from '#postgres/tables.js'
import { type Listed, type PageRequest, readPage } from './listing.js'

export type ToolRow = Selectable<Tables['tools']>

/** What a list of tools may be narrowed to; an absent member narrows nothing. */
export interface ToolFilter {
  readonly name?: string
  readonly names?: readonly string[]
  readonly toolIds?: readonly string[]
  readonly toolTypes?: readonly string[]
  readonly excludedTypes?: readonly string[]
  /** Part of the name, in any case. */
  readonly search?: string
  /** True: only those that come with the service. False: only the others. */
  readonly builtIn?: boolean
}

/** The type of every tool that a client made. */
export const CUSTOM_TOOL = 'custom'

/** In the order of the ids; those that do not exist are left out. */
export async function toolsByIds(
  db: Database,
  tenantId: string,
  ids: readonly string[],
): Promise<ToolRow[]> {
  if (ids.length === 0) return []
  const rows = await tools(db, tenantId, { toolIds: ids }).execute()
  const byId = new Map(rows.map((row) => [row.tool_id, row]))
  return ids.flatMap((id) => byId.get(id) ?? [])
}

/** In the order of the names; those that do not exist are left out. */
export async function toolsByNames(
  db: Database,
  tenantId: string,
  names: readonly string[],
): Promise<ToolRow[]> {
  if (names.length === 0) return []
  const rows = await tools(db, tenantId, { names }).execute()
  const byName = new Map(rows.map((row) => [row.name, row]))
  return names.flatMap((name) => byName.get(name) ?? [])
}

export async function getTool(
  db: Database,
  tenantId: string,
  toolId: string,
): Promise<ToolRow | null> {
  const [row] = await toolsByIds(db, tenantId, [toolId])
  return row ?? null
}

/** By time of creation, then id. */
export function listTools(
  db: Database,
  tenantId: string,
  filter: ToolFilter,
  page: PageRequest,
): Promise<Listed<ToolRow>> {
  return readPage(
    page,
    [sql.ref('created_at'), sql.ref('tool_id')],
    async (cursor) => {
      const row = await getTool(db, tenantId, cursor)
      return row ? [row.created_at, row.tool_id] : undefined
    },
    ({ within, orderBy, limit }) =>
      tools(db, tenantId, filter).where(within).orderBy(orderBy).limit(limit).execute(),
  )
}

/** A page of an agent's tools. */
export function toolsOfAgent(
  db: Database,
  tenantId: string,
  toolIds: readonly string[],
  page: PageRequest,
): Promise<Listed<ToolRow>> {
  return listTools(db, tenantId, { toolIds }, page)
}

export async function countTools(
  db: Database,
  tenantId: string,
  filter: ToolFilter,
): Promise<number> {
  const { count } = await tools(db, tenantId, filter)
    .clearSelect()
    .select((eb) => eb.fn.countAll<string>().as('count'))
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Ids of the agents that have the tool. */
export async function agentsWithTool(
  db: Database,
  tenantId: string,
  toolId: string,
): Promise<string[]> {
  const rows = await db
    .selectFrom('agents')
    .select('agent_id')
    .where('tenant_id', '=', tenantId)
    .where('deleted', '=', false)
    .where(sql<boolean>`${toolId} = any(tool_ids)`)
    .execute()
  return rows.map((row) => row.agent_id)
}

function tools(
  db: Database,
  tenantId: string,
  filter: ToolFilter,
): SelectQueryBuilder<Tables, 'tools', ToolRow> {
  const { name, names, toolIds, toolTypes, excludedTypes, search, builtIn } = filter
  let query = db.selectFrom('tools').selectAll().where('tenant_id', '=', tenantId)
  if (name !== undefined) query = query.where('name', '=', name)
  if (names) query = query.where(sql<boolean>`name = any(${[...names]})`)
  if (toolIds) query = query.where(sql<boolean>`tool_id = any(${[...toolIds]})`)
  if (toolTypes) query = query.where(sql<boolean>`tool_type = any(${[...toolTypes]})`)
  if (excludedTypes) query = query.where(sql<boolean>`tool_type <> all(${[...excludedTypes]})`)
  // strpos, not like: % and _ in a search stand for themselves.
  if (search !== undefined) {
    query = query.where(sql<boolean>`strpos(lower(name), lower(${search})) > 0`)
  }
  if (builtIn !== undefined) query = query.where('tool_type', builtIn ? '<>' : '=', CUSTOM_TOOL)
  return query
}
