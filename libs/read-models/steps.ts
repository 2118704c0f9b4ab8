import { type Selectable, sql } from 'kysely'
import type { Database } from '#postgres/database.js'
import type { Tables } from '#postgres/tables.js'
import { type Listed, type PageRequest, readPage } from './listing.js'

/** One model call of a run. */
export type StepRow = Selectable<Tables['steps']>

/** What a list of steps may be narrowed to; an absent member narrows nothing. */
export interface StepFilter {
  readonly agentId?: string
  /** `provider/model`, or the model's own name. */
  readonly model?: string
  readonly from?: Date
  readonly until?: Date
}

export async function getStep(
  db: Database,
  tenantId: string,
  stepId: string,
): Promise<StepRow | null> {
  const row = await steps(db, tenantId).where('step_id', '=', stepId).executeTakeFirst()
  return row ?? null
}

/** The steps of every run, by the time at which the model was asked, then id. */
export function listSteps(
  db: Database,
  tenantId: string,
  filter: StepFilter,
  page: PageRequest,
): Promise<Listed<StepRow>> {
  const { agentId, model, from, until } = filter
  let query = steps(db, tenantId)
  if (agentId !== undefined) query = query.where('agent_id', '=', agentId)
  if (model !== undefined) {
    query = query.where(
      sql<boolean>`(name = ${model} or substr(name, strpos(name, '/') + 1) = ${model})`,
    )
  }
  if (from) query = query.where('created_at', '>=', from)
  if (until) query = query.where('created_at', '<=', until)
  return readPage(
    page,
    [sql.ref('created_at'), sql.ref('step_id')],
    async (cursor) => {
      const row = await getStep(db, tenantId, cursor)
      return row ? [row.created_at, row.step_id] : undefined
    },
    ({ within, orderBy, limit }) => query.where(within).orderBy(orderBy).limit(limit).execute(),
  )
}

/** The steps of one run, by their number. */
export function stepsOfRun(
  db: Database,
  tenantId: string,
  runId: string,
  page: PageRequest,
): Promise<Listed<StepRow>> {
  const query = steps(db, tenantId).where('run_id', '=', runId)
  return readPage(
    page,
    [sql.ref('step')],
    async (cursor) => {
      const row = await query.where('step_id', '=', cursor).executeTakeFirst()
      return row && [row.step]
    },
    ({ within, orderBy, limit }) => query.where(within).orderBy(orderBy).limit(limit).execute(),
  )
}

function steps(db: Database, tenantId: string) {
  return db
    .selectFrom('steps')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('kind', '=', 'model')
}
