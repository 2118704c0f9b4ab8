import { type Kysely, sql } from 'kysely'
import type { SpokenContent } from '#postgres/message-content.js'
import type { Tables } from '#postgres/tables.js'

/** A stored message in the order the agent lived it: turn order, version, item. */
export interface ConversationMessage {
  readonly message_id: string
  readonly role: 'user' | 'assistant' | 'tool' | 'system'
  readonly content: SpokenContent
  readonly created_at: Date
}

/** Stored messages a turn may look back on. */
const PAST_MESSAGES_MAX = 2_000

/**
 * The newest messages of an agent's earlier turns, oldest first; `from` begins at a known message
 * instead, so that a resumed turn sends what it sent before.
 */
export async function pastMessages(
  db: Kysely<Tables>,
  tenantId: string,
  agentId: string,
  beforeSeq: number,
): Promise<{ messages: ConversationMessage[]; total: number }> {
  const earlier = db
    .selectFrom('messages as m')
    .innerJoin('turns as t', (join) =>
      join.onRef('t.tenant_id', '=', 'm.tenant_id').onRef('t.run_id', '=', 'm.run_id'),
    )
    .where('t.tenant_id', '=', tenantId)
    .where('t.agent_id', '=', agentId)
    .where('t.seq', '<', String(beforeSeq))
    // What became of an answered call stands in its return.
    .where('m.role', '<>', 'approval')
  const rows = await earlier
    .select(['m.message_id', 'm.role', 'm.content', 'm.created_at'])
    .orderBy('t.seq', 'desc')
    .orderBy('m.version', 'desc')
    .orderBy('m.item', 'desc')
    .limit(PAST_MESSAGES_MAX)
    .execute()
  const count = await earlier.select(sql<string>`count(*)`.as('n')).executeTakeFirstOrThrow()
  return { messages: rows.reverse() as ConversationMessage[], total: Number(count.n) }
}

export interface ConversationSearch {
  readonly query: string | null
  readonly roles: readonly ('user' | 'assistant' | 'tool')[]
  readonly limit: number
  readonly from: Date | null
  /** Exclusive. */
  readonly until: Date | null
}

/** Messages of an agent whose text contains the query, newest first. `%` and `_` mean themselves. */
export async function searchConversation(
  db: Kysely<Tables>,
  tenantId: string,
  agentId: string,
  search: ConversationSearch,
): Promise<ConversationMessage[]> {
  let query = db
    .selectFrom('messages')
    .select(['message_id', 'role', 'content', 'created_at'])
    .where('tenant_id', '=', tenantId)
    .where('agent_id', '=', agentId)
    .where('run_id', 'is not', null)
    .where('role', 'in', [...search.roles])
  if (search.query) {
    const pattern = `%${search.query.replaceAll(/[\\%_]/g, '\\$&')}%`
    query = query.where(
      sql<boolean>`coalesce(content->>'content', content->>'result') ilike ${pattern}`,
    )
  }
  if (search.from) query = query.where('created_at', '>=', search.from)
  if (search.until) query = query.where('created_at', '<', search.until)
  const newest = query.orderBy('created_at', 'desc').orderBy('message_id').limit(search.limit)
  return (await newest.execute()) as ConversationMessage[]
}
