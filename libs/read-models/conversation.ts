import { type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely'
import type { SpokenContent } from '#postgres/message-content.js'
import type { Tables } from '#postgres/tables.js'

/** A stored message in the order the agent lived it: turn order, version, item. */
export interface ConversationMessage {
  readonly message_id: string
  readonly role: 'user' | 'assistant' | 'tool' | 'system'
  readonly content: SpokenContent
  readonly created_at: Date
}

/** True of messages (`m`, of turns `t`) that were not taken out of their agent's context. */
export function isInContext(tenantId: string, agentId: string): RawBuilder<SqlBool> {
  return sql<SqlBool>`(t.seq is null or t.seq > coalesce((
    select r.seq from agents a
      join turns r on r.tenant_id = a.tenant_id and r.run_id = a.reset_through
     where a.tenant_id = ${tenantId} and a.agent_id = ${agentId}), 0))`
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
    .selectFrom('messages as m')
    .innerJoin('turns as t', (join) =>
      join.onRef('t.tenant_id', '=', 'm.tenant_id').onRef('t.run_id', '=', 'm.run_id'),
    )
    .select(['m.message_id', 'm.role', 'm.content', 'm.created_at'])
    .where('m.tenant_id', '=', tenantId)
    .where('m.agent_id', '=', agentId)
    .where(isInContext(tenantId, agentId))
    .where('m.role', 'in', [...search.roles])
    .limit(search.limit)
  if (from) said = said.where('m.created_at', '>=', from)
  if (until) said = said.where('m.created_at', '<', until)
  const newest = async (rows: typeof said) =>
    (await rows
      .orderBy('m.created_at', 'desc')
      .orderBy('m.message_id')
      .execute()) as ConversationMessage[]
  if (!query) return newest(said)
  const wanted = sql`websearch_to_tsquery('simple', ${query})`
  const matching = said
    .where(sql<boolean>`message_words(m.content) @@ ${wanted}`)
    .orderBy(sql`ts_rank_cd(message_words(m.content), ${wanted})`, 'desc')
  const found = await newest(matching)
  if (found.length > 0) return found
  const pattern = `%${query.replaceAll(/[\\%_]/g, '\\$&')}%`
  const text = sql<boolean>`coalesce(m.content->>'content', m.content->>'result') ilike ${pattern}`
  return newest(said.where(text))
}
