import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Actor } from '#domain/actor.js'
import type { AgentSettings } from '#domain/agent.js'
import type { StopReason } from '#domain/turn-events.js'
import type { Database } from '#postgres/database.js'
import { contains } from './blocks.js'
import { derivedId } from './derived-id.js'
import { type Listed, type PageRequest, readPage, type SortKey } from './listing.js'
import type { Reads } from './reads.js'
import { streamHead } from './stream-head.js'

/** An agent as it stands, with how its last turn ended; its blocks are in `attachments.ts`. */
export interface AgentView {
  readonly id: string
  readonly settings: AgentSettings
  readonly toolIds: readonly string[]
  readonly deleted: boolean
  readonly createdAt: Date
  readonly createdBy: Actor
  readonly updatedAt: Date
  readonly updatedBy: Actor
  readonly lastRun: {
    readonly completedAt: Date
    readonly durationMs: number
    readonly stopReason: StopReason | null
  } | null
}

export interface AgentFilter {
  readonly name?: string
  /** A part of the name, in any case. */
  readonly nameSearch?: string
  readonly tags?: readonly string[]
  /** All of `tags` instead of any. */
  readonly matchAllTags?: boolean
  readonly projectId?: string
  readonly lastStopReason?: string
  readonly createdById?: string
  readonly showHidden?: boolean
  /** Only agents this block is attached to. */
  readonly blockId?: string
}

export const AGENT_SORTS = ['created_at', 'updated_at', 'last_run_completion'] as const
export type AgentSort = (typeof AGENT_SORTS)[number]

/** Agents that never ran come first in ascending order. */
const SORTS: Readonly<Record<AgentSort, RawBuilder<unknown>>> = {
  created_at: sql.ref('a.created_at'),
  updated_at: sql.ref('s.recorded_at'),
  last_run_completion: sql`coalesce(r.done_at, 'epoch'::timestamptz)`,
}

/** Messages of an agent that are named in its state, the system message included. */
const MESSAGE_IDS_MAX = 100

/** The agent with this id, deleted or not; null when there never was one. */
export async function agentById(
  { db }: Reads,
  tenantId: string,
  agentId: string,
): Promise<AgentView | null> {
  const row = await agentRows(db, tenantId).where('a.agent_id', '=', agentId).executeTakeFirst()
  return row ? agentView(row) : null
}

/** Agents by `sort`, then id. */
export function listAgents(
  { db }: Reads,
  tenantId: string,
  filter: AgentFilter,
  page: PageRequest,
  sort: AgentSort = 'created_at',
): Promise<Listed<AgentView>> {
  return readPage(
    page,
    [SORTS[sort], sql.ref('a.agent_id')],
    (cursor) => sortKey(db, tenantId, cursor, sort),
    async ({ within, orderBy, limit }) => {
      const rows = await agentRows(db, tenantId)
        .where('a.deleted', '=', false)
        .where(matching(filter))
        .where(within)
        .orderBy(orderBy)
        .limit(limit)
        .execute()
      return rows.map(agentView)
    },
  )
}

/** All agents that are not deleted, hidden ones too. */
export async function countAgents({ db }: Reads, tenantId: string): Promise<number> {
  const { count } = await db
    .selectFrom('agents')
    .select((eb) => eb.fn.countAll<string>().as('count'))
    .where('tenant_id', '=', tenantId)
    .where('deleted', '=', false)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Each agent's system message, then the newest of its turns' messages, oldest first: at most 100. */
export async function messageIdsOfAgents(
  { pool }: Reads,
  tenantId: string,
  agentIds: readonly string[],
): Promise<Map<string, string[]>> {
  const ids = new Map<string, string[]>(
    agentIds.map((id) => [id, [derivedId('message', tenantId, id, 'system')]]),
  )
  if (agentIds.length === 0) return ids
  // Every turn holds a message, so the newest messages stand in as many of the newest turns at most.
  const { rows } = await pool.query<{ agent_id: string; message_id: string }>({
    name: 'message-ids-of-agents',
    text: `select a.agent_id, n.message_id
      from unnest($2::text[]) a(agent_id)
      cross join lateral (
        select m.message_id, t.seq, m.version, m.item
          from (select run_id, seq from turns
                 where tenant_id = $1 and agent_id = a.agent_id
                   and seq > coalesce((select r.seq from agents g
                         join turns r on r.tenant_id = g.tenant_id and r.run_id = g.reset_through
                        where g.tenant_id = $1 and g.agent_id = a.agent_id), 0)
                 order by seq desc limit $3) t
          join messages m on m.tenant_id = $1 and m.run_id = t.run_id
         order by t.seq desc, m.version desc, m.item desc limit $3) n
     order by a.agent_id, n.seq, n.version, n.item`,
    values: [tenantId, agentIds, MESSAGE_IDS_MAX - 1],
  })
  for (const row of rows) ids.get(row.agent_id)?.push(row.message_id)
  return ids
}

function agentRows(db: Database, tenantId: string) {
  return db
    .selectFrom('agents as a')
    .innerJoinLateral(streamHead(tenantId, 'a.agent_id'), (join) => join.onTrue())
    .leftJoinLateral(
      (eb) =>
        eb
          .selectFrom('turns as t')
          .select(['t.queued_at', 't.started_at', 't.done_at', 't.stop_reason'])
          .whereRef('t.tenant_id', '=', 'a.tenant_id')
          .whereRef('t.agent_id', '=', 'a.agent_id')
          .where('t.done_at', 'is not', null)
          .orderBy('t.seq', 'desc')
          .limit(1)
          .as('r'),
      (join) => join.onTrue(),
    )
    .where('a.tenant_id', '=', tenantId)
    .selectAll('a')
    .select(['s.actor', 's.recorded_at'])
    .select(['r.queued_at', 'r.started_at', 'r.done_at', 'r.stop_reason'])
}

type AgentQueryRow = Awaited<ReturnType<ReturnType<typeof agentRows>['executeTakeFirstOrThrow']>>

function agentView(row: AgentQueryRow): AgentView {
  const { done_at, queued_at } = row
  const started = row.started_at ?? queued_at
  return {
    id: row.agent_id,
    settings: row.settings,
    toolIds: row.tool_ids,
    deleted: row.deleted,
    createdAt: row.created_at,
    createdBy: row.created_by,
    updatedAt: row.recorded_at,
    updatedBy: row.actor,
    lastRun:
      done_at && started
        ? {
            completedAt: done_at,
            durationMs: done_at.getTime() - started.getTime(),
            stopReason: row.stop_reason,
          }
        : null,
  }
}

function matching(filter: AgentFilter) {
  const conditions = [sql<SqlBool>`true`]
  const { tags } = filter
  if (!filter.showHidden) conditions.push(sql`a.hidden is not true`)
  if (filter.name !== undefined) conditions.push(sql`a.name = ${filter.name}`)
  if (filter.nameSearch !== undefined) {
    conditions.push(contains('a.name', filter.nameSearch))
  }
  if (tags && tags.length > 0) {
    const operator = filter.matchAllTags ? sql`@>` : sql`&&`
    conditions.push(sql`a.tags ${operator} ${tags}::text[]`)
  }
  if (filter.projectId !== undefined) conditions.push(sql`a.project_id = ${filter.projectId}`)
  if (filter.lastStopReason !== undefined) {
    conditions.push(sql`r.stop_reason = ${filter.lastStopReason}`)
  }
  if (filter.createdById !== undefined) {
    conditions.push(sql`a.created_by ->> 'id' = ${filter.createdById}`)
  }
  if (filter.blockId !== undefined) {
    conditions.push(sql`exists (select from attachments t
      where t.tenant_id = a.tenant_id and t.agent_id = a.agent_id and t.block_id = ${filter.blockId})`)
  }
  return sql<SqlBool>`(${sql.join(conditions, sql` and `)})`
}

/** Of a deleted agent too: a listing must not break off because its last item went away. */
async function sortKey(
  db: Database,
  tenantId: string,
  agentId: string,
  sort: AgentSort,
): Promise<SortKey | undefined> {
  const row = await agentRows(db, tenantId)
    .select(sql<Date>`${SORTS[sort]}`.as('sort_key'))
    .where('a.agent_id', '=', agentId)
    .executeTakeFirst()
  return row && [row.sort_key, agentId]
}

/** Ids of agents with exactly this name, the oldest first: no more than two, which are too many. */
export async function agentsNamed(
  { db }: Pick<Reads, 'db'>,
  tenantId: string,
  name: string,
): Promise<string[]> {
  const rows = await db
    .selectFrom('agents')
    .select('agent_id')
    .where('tenant_id', '=', tenantId)
    .where('name', '=', name)
    .where('deleted', '=', false)
    .orderBy('created_at')
    .orderBy('agent_id')
    .limit(2)
    .execute()
  return rows.map((row) => row.agent_id)
}
