import { type Selectable, sql } from 'kysely'
import type { Database } from '#postgres/database.js'
import type { Tables } from '#postgres/tables.js'
import { type Listed, type PageRequest, readPage } from './listing.js'

/** A turn as lists and waiters read it; the wire calls it a run. */
export type RunRow = Selectable<Tables['turns']> & {
  /** How the call to its callback_url went; absent or null where none was made. */
  readonly callback_sent_at?: Date | null
  readonly callback_status_code?: number | null
  readonly callback_error?: string | null
}

/** What a list of runs may be narrowed to; an absent member narrows nothing. */
export interface RunFilter {
  readonly agentIds?: readonly string[]
  /** See `statusOf`. */
  readonly statuses?: readonly string[]
  readonly background?: boolean
  readonly stopReason?: string
}

/**
 * The turn's own words: queued, running, parked, completed, failed, cancelled, dead_lettered; and waiting,
 * of one that is parked until somebody answers its calls.
 */
export function statusOf({ status, stop_reason }: Pick<RunRow, 'status' | 'stop_reason'>): string {
  return status === 'parked' && stop_reason === 'requires_approval' ? 'waiting' : status
}

const STATUS = sql`case when status = 'parked' and stop_reason = 'requires_approval' then 'waiting' else status end`

export async function getRun(
  db: Database,
  tenantId: string,
  runId: string,
): Promise<RunRow | null> {
  const row = await runs(db, tenantId, {}).where('t.run_id', '=', runId).executeTakeFirst()
  return row ?? null
}

/** The newest of an agent's runs that has begun; null when none has. */
export async function newestBegunRun(
  db: Database,
  tenantId: string,
  agentId: string,
): Promise<string | null> {
  const row = await db
    .selectFrom('turns')
    .select('run_id')
    .where('tenant_id', '=', tenantId)
    .where('agent_id', '=', agentId)
    .where('status', '<>', 'queued')
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.run_id ?? null
}

/** The agent's turns that have not ended, in their order: the first is the one it is at. */
export async function unfinishedTurns(
  db: Database,
  tenantId: string,
  agentId: string,
): Promise<string[]> {
  const rows = await db
    .selectFrom('turns')
    .select('run_id')
    .where('tenant_id', '=', tenantId)
    .where('agent_id', '=', agentId)
    .where('status', 'in', ['queued', 'running', 'parked'])
    .orderBy('seq')
    .execute()
  return rows.map((row) => row.run_id)
}

/** By the time at which the run was queued, then id. */
export function listRuns(
  db: Database,
  tenantId: string,
  filter: RunFilter,
  page: PageRequest,
): Promise<Listed<RunRow>> {
  return readPage(
    page,
    [sql.ref('t.queued_at'), sql.ref('t.run_id')],
    async (cursor) => {
      const row = await getRun(db, tenantId, cursor)
      return row ? [row.queued_at, row.run_id] : undefined
    },
    ({ within, orderBy, limit }) =>
      runs(db, tenantId, filter).where(within).orderBy(orderBy).limit(limit).execute(),
  )
}

function runs(db: Database, tenantId: string, filter: RunFilter) {
  const { agentIds, statuses, background, stopReason } = filter
  let query = db
    .selectFrom('turns as t')
    .leftJoin('run_callbacks as c', (join) =>
      join.onRef('c.tenant_id', '=', 't.tenant_id').onRef('c.run_id', '=', 't.run_id'),
    )
    .selectAll('t')
    .select([
      'c.sent_at as callback_sent_at',
      'c.status_code as callback_status_code',
      'c.error as callback_error',
    ])
    .where('t.tenant_id', '=', tenantId)
  if (agentIds) query = query.where(sql<boolean>`agent_id = any(${[...agentIds]})`)
  if (statuses) query = query.where(sql<boolean>`${STATUS} = any(${[...statuses]})`)
  if (background !== undefined) {
    query = query.where(sql<boolean>`(options->>'background')::boolean = ${background}`)
  }
  if (stopReason !== undefined) query = query.where(sql<boolean>`stop_reason = ${stopReason}`)
  return query
}
