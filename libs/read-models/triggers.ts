import type { Queryable } from '#event-store/stream-reader.js'
import type { TriggerRow } from '#postgres/trigger-table.js'

/** A trigger, and how far it has come. */
export interface TriggerView extends Omit<TriggerRow, 'created_at'> {
  readonly created_at: Date
  readonly from_version: number | null
  readonly to_version: number | null
  readonly depth: number | null
  /** Null: nothing waits. */
  readonly due_at: Date | null
  /** The newest turn it has queued. */
  readonly run_id: string | null
  readonly refusals: number | null
  readonly refused_version: number | null
  readonly refused_run_id: string | null
}

/** An agent's triggers in the order in which they were set. */
export async function triggersOfAgent(
  pool: Queryable,
  tenantId: string,
  agentId: string,
): Promise<TriggerView[]> {
  const { rows } = await pool.query<TriggerView>({
    name: 'triggers-of-agent',
    text: `select t.*, w.from_version, w.to_version, w.depth, w.due_at, w.run_id,
                  w.refusals, w.refused_version, w.refused_run_id
             from triggers t left join trigger_wakes w using (tenant_id, trigger_id)
            where t.tenant_id = $1 and t.agent_id = $2 order by t.place`,
    values: [tenantId, agentId],
  })
  return rows
}
