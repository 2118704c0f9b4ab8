import { type Kysely, sql } from 'kysely'
import type { Tables } from '#postgres/tables.js'

/**
 * Tokens that an agent's turns queued since midnight (UTC) have used.
 *
 * @param exceptRunId a turn that is counted by its caller
 */
export async function dayTokens(
  db: Kysely<Tables>,
  tenantId: string,
  agentId: string,
  exceptRunId: string,
): Promise<number> {
  // An agent's turns stand in the order they were queued: looking back ends at the first older one.
  const { rows } = await sql<{ used: string }>`
    with day as (select date_trunc('day', now(), 'UTC') as began),
    earlier as (
      select seq from turns, day
       where tenant_id = ${tenantId} and agent_id = ${agentId} and queued_at < began
       order by seq desc limit 1)
    select coalesce(sum((usage->>'total_tokens')::bigint), 0) as used from turns
     where tenant_id = ${tenantId} and agent_id = ${agentId} and run_id <> ${exceptRunId}
       and seq > coalesce((select seq from earlier), 0)`.execute(db)
  return Number(rows[0]?.used ?? 0)
}
