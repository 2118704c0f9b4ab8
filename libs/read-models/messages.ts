import { type Selectable, sql } from 'kysely'
import type { Database } from '#postgres/database.js'
import type { Tables } from '#postgres/tables.js'
import { isInContext } from './conversation.js'
import { type Listed, type PageRequest, readPage, type SortKey } from './listing.js'

/** One stored message; on the wire it may become several items. Pages count stored messages. */
export type StoredMessage = Selectable<Tables['messages']>

/**
 * Turn order, version, item: times repeat, and a message may be queued while an earlier turn still
 * writes. The agent's system message has no turn and comes first.
 */
const AGENT_ORDER = [sql`coalesce(t.seq, 0)`, sql.ref('m.version'), sql.ref('m.item')]
const RUN_ORDER = [sql.ref('m.version'), sql.ref('m.item')]

/** An agent's messages, the system message included, without what it was made to forget. */
export function messagesOfAgent(
  db: Database,
  tenantId: string,
  agentId: string,
  page: PageRequest,
): Promise<Listed<StoredMessage>> {
  const messages = () =>
    messagesWithTurn(db, tenantId)
      .where('m.agent_id', '=', agentId)
      .where(isInContext(tenantId, agentId))
  return readPage(
    page,
    AGENT_ORDER,
    (cursor) => keyOf(messages().where('m.message_id', '=', cursor)),
    ({ within, orderBy, limit }) =>
      messages().selectAll('m').where(within).orderBy(orderBy).limit(limit).execute(),
  )
}

/** The messages of a run, its input included. */
export function messagesOfRun(
  db: Database,
  tenantId: string,
  runId: string,
  page: PageRequest,
): Promise<Listed<StoredMessage>> {
  return messagesWithin(db, tenantId, { runId }, page)
}

/** What one step of a run added: the model's reply and the returns of its tools. */
export function messagesOfStep(
  db: Database,
  tenantId: string,
  step: { readonly runId: string; readonly stepId: string },
  page: PageRequest,
): Promise<Listed<StoredMessage>> {
  return messagesWithin(db, tenantId, step, page)
}

function messagesWithin(
  db: Database,
  tenantId: string,
  part: { readonly runId: string; readonly stepId?: string },
  page: PageRequest,
): Promise<Listed<StoredMessage>> {
  const messages = () => {
    const query = messagesWithTurn(db, tenantId).where('m.run_id', '=', part.runId)
    return part.stepId === undefined ? query : query.where('m.step_id', '=', part.stepId)
  }
  return readPage(
    page,
    RUN_ORDER,
    async (cursor) => (await keyOf(messages().where('m.message_id', '=', cursor)))?.slice(1),
    ({ within, orderBy, limit }) =>
      messages().selectAll('m').where(within).orderBy(orderBy).limit(limit).execute(),
  )
}

function messagesWithTurn(db: Database, tenantId: string) {
  return db
    .selectFrom('messages as m')
    .leftJoin('turns as t', (join) =>
      join.onRef('t.tenant_id', '=', 'm.tenant_id').onRef('t.run_id', '=', 'm.run_id'),
    )
    .where('m.tenant_id', '=', tenantId)
}

async function keyOf(message: ReturnType<typeof messagesWithTurn>): Promise<SortKey | undefined> {
  const row = await message
    .select([sql<string>`coalesce(t.seq, 0)`.as('seq'), 'm.version', 'm.item'])
    .executeTakeFirst()
  return row && [row.seq, row.version, row.item]
}
