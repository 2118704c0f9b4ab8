import { sql } from 'kysely'
import type { Database } from '#postgres/database.js'
import { askingMessageId } from './message-rows.js'
import type { StoredMessage } from './messages.js'

/** A run whose calls wait for an answer, and the message that asks for it. */
export interface WaitingRun {
  readonly runId: string
  readonly requestId: string
}

/** The agent's run that waits for an answer: there is one at most, since the others wait behind it. */
export async function waitingRun(
  db: Database,
  tenantId: string,
  agentId: string,
): Promise<WaitingRun | null> {
  const row = await waiting(db, tenantId, [agentId])
    .select(['t.run_id', 't.step_count'])
    .executeTakeFirst()
  if (!row) return null
  const { run_id: runId, step_count: step } = row
  return { runId, requestId: askingMessageId(tenantId, runId, step) }
}

/** The messages that ask for an answer, by agent; most agents wait for none. */
export async function pendingApprovals(
  db: Database,
  tenantId: string,
  agentIds: readonly string[],
): Promise<Map<string, StoredMessage>> {
  if (agentIds.length === 0) return new Map()
  const rows = await waiting(db, tenantId, agentIds)
    .innerJoin('messages as m', (join) =>
      join.onRef('m.tenant_id', '=', 't.tenant_id').onRef('m.run_id', '=', 't.run_id'),
    )
    .where(sql<boolean>`m.content->'asks' is not null`)
    .selectAll('m')
    .orderBy('m.version')
    .execute()
  // A run may have asked before: the newest counts.
  return new Map(rows.map((row) => [row.agent_id, row]))
}

/** A run, and the step it is at. */
export interface RunStep {
  readonly runId: string
  readonly step: number
}

/** The newest run of the agent in which a call had this id, over or not; null when none had. */
export async function runOfToolCall(
  db: Database,
  tenantId: string,
  agentId: string,
  toolCallId: string,
): Promise<RunStep | null> {
  const row = await runs(db, tenantId, agentId)
    .innerJoin('steps as s', (join) =>
      join.onRef('s.tenant_id', '=', 't.tenant_id').onRef('s.run_id', '=', 't.run_id'),
    )
    .where('s.tool_call_id', '=', toolCallId)
    .executeTakeFirst()
  return row ? { runId: row.run_id, step: row.step_count } : null
}

/** The agent's run that a message belongs to; null when it has none. */
export async function runOfMessage(
  db: Database,
  tenantId: string,
  agentId: string,
  messageId: string,
): Promise<RunStep | null> {
  const row = await runs(db, tenantId, agentId)
    .innerJoin('messages as m', (join) =>
      join.onRef('m.tenant_id', '=', 't.tenant_id').onRef('m.run_id', '=', 't.run_id'),
    )
    .where('m.message_id', '=', messageId)
    .executeTakeFirst()
  return row ? { runId: row.run_id, step: row.step_count } : null
}

function runs(db: Database, tenantId: string, agentId: string) {
  return db
    .selectFrom('turns as t')
    .select(['t.run_id', 't.step_count'])
    .where('t.tenant_id', '=', tenantId)
    .where('t.agent_id', '=', agentId)
    .orderBy('t.seq', 'desc')
    .limit(1)
}

function waiting(db: Database, tenantId: string, agentIds: readonly string[]) {
  return db
    .selectFrom('turns as t')
    .where('t.tenant_id', '=', tenantId)
    .where(sql<boolean>`t.agent_id = any(${[...agentIds]})`)
    .where('t.status', '=', 'parked')
    .where('t.stop_reason', '=', 'requires_approval')
}
