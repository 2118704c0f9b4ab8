import { type Kysely, type SelectQueryBuilder, sql } from 'kysely'
import type { MessageContent, Tables } from '#postgres/tables.js'

/** A stored message in the order the agent lived it: turn order, version, item. */
export interface ConversationMessage {
  readonly message_id: string
  readonly role: 'user' | 'assistant' | 'tool' | 'system'
  readonly content: MessageContent
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
  const rows = await earlier
    .select(['m.message_id', 'm.role', 'm.content', 'm.created_at'])
    .orderBy('t.seq', 'desc')
    .orderBy('m.version', 'desc')
    .orderBy('m.item', 'desc')
    .limit(PAST_MESSAGES_MAX)
    .execute()
  const count = await earlier.select(sql<string>`count(*)`.as('n')).executeTakeFirstOrThrow()
  return { messages: rows.reverse(), total: Number(count.n) }
}

export interface ConversationSearch {
  readonly query: string | null
  readonly roles: readonly ('user' | 'assistant' | 'tool')[]
  readonly limit: number
  readonly from: Date | null
  /** Exclusive. */
  readonly until: Date | null
}

/**
 * Messages of an agent in which the words of the query stand, the best match first: quotes hold words
 * together, `or` and `-` mean what they do in a web search, and no language is guessed. Where nothing
 * matches so, those that contain the query as it is, newest first; without a query the newest.
 */
export async function searchConversation(
  db: Kysely<Tables>,
  tenantId: string,
  agentId: string,
  search: ConversationSearch,
): Promise<ConversationMessage[]> {
  const { query, from, until } = search
  let said = db
    .selectFrom('messages')
    .select(['message_id', 'role', 'content', 'created_at'])
    .where('tenant_id', '=', tenantId)
    .where('agent_id', '=', agentId)
    .where('run_id', 'is not', null)
    .where('role', 'in', [...search.roles])
    .limit(search.limit)
  if (from) said = said.where('created_at', '>=', from)
  if (until) said = said.where('created_at', '<', until)
  if (!query) return newestFirst(said).execute()
  const wanted = sql`websearch_to_tsquery('simple', ${query})`
  const matching = said
    .where(sql<boolean>`message_words(content) @@ ${wanted}`)
    .orderBy(sql`ts_rank_cd(message_words(content), ${wanted})`, 'desc')
  const found = await newestFirst(matching).execute()
  if (found.length > 0) return found
  const pattern = `%${query.replaceAll(/[\\%_]/g, '\\$&')}%`
  const text = sql<boolean>`coalesce(content->>'content', content->>'result') ilike ${pattern}`
  return newestFirst(said.where(text)).execute()
}

function newestFirst<O>(query: SelectQueryBuilder<Tables, 'messages', O>) {
  return query.orderBy('created_at', 'desc').orderBy('message_id')
}
