import type { Database } from '#postgres/database.js'

/** A schedule as it stands. */
export interface ScheduleView {
  readonly id: string
  readonly agentId: string
  readonly name: string | null
  readonly cron: string
  readonly tz: string
  readonly input: string
  readonly createdAt: Date
}

/** An agent's schedules in the order in which they were made. */
export async function schedulesOfAgent(
  db: Database,
  tenantId: string,
  agentId: string,
): Promise<ScheduleView[]> {
  const rows = await scheduleRows(db, tenantId)
    .where('agent_id', '=', agentId)
    .orderBy('created_at')
    .orderBy('schedule_id')
    .execute()
  return rows.map(view)
}

export async function scheduleById(
  db: Database,
  tenantId: string,
  scheduleId: string,
): Promise<ScheduleView | null> {
  const row = await scheduleRows(db, tenantId)
    .where('schedule_id', '=', scheduleId)
    .executeTakeFirst()
  return row ? view(row) : null
}

/** Those of all agents. */
export async function allSchedules(db: Database, tenantId: string): Promise<ScheduleView[]> {
  return (await scheduleRows(db, tenantId).execute()).map(view)
}

export async function scheduleCount(db: Database, tenantId: string): Promise<number> {
  const { n } = await db
    .selectFrom('schedules')
    .select((eb) => eb.fn.countAll<string>().as('n'))
    .where('tenant_id', '=', tenantId)
    .executeTakeFirstOrThrow()
  return Number(n)
}

function scheduleRows(db: Database, tenantId: string) {
  return db
    .selectFrom('schedules')
    .select(['schedule_id', 'agent_id', 'name', 'cron', 'tz', 'input', 'created_at'])
    .where('tenant_id', '=', tenantId)
}

type Row = Awaited<ReturnType<ReturnType<typeof scheduleRows>['execute']>>[number]

function view({ schedule_id: id, agent_id: agentId, created_at: createdAt, ...row }: Row) {
  return { id, agentId, createdAt, ...row }
}
