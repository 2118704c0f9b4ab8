import { type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Queryable } from '#event-store/stream-reader.js'
import type { SpokenContent, SummaryContent } from '#postgres/message-content.js'
import type { Tables } from '#postgres/tables.js'

/** A stored message in the order the agent lived it: turn order, version, item. */
export interface ConversationMessage {
  readonly message_id: string
  readonly role: 'user' | 'assistant' | 'tool' | 'system'
  readonly content: SpokenContent
  readonly created_at: Date
}

/** One that a turn may be sent, and the turn it was said in. */
export interface PastMessageOfRun extends ConversationMessage {
  readonly run_id: string
}

/** Stored messages a turn may look back on. */
const PAST_MESSAGES_MAX = 2_000

/**
 * Messages of earlier turns, newest first. By a lateral join with limits: no plan, and none that is made while the
 * tables are new, may read other agents' messages for it. What became of an answered call stands in its return;
 * a summary comes before them all.
 */
const PAST = `
  from (select run_id, seq from turns
         where tenant_id = $1 and agent_id = $2 and seq < $3
           and ($4::text is null or seq > (select r.seq from turns r where r.tenant_id = $1 and r.run_id = $4))
         order by seq desc limit $5) t
 cross join lateral (
       select message_id, role, content, created_at, version, item from messages
        where tenant_id = $1 and run_id = t.run_id and role not in ('approval', 'summary')
        order by version desc, item desc limit $5) m`

/**
 * The newest messages of an agent's earlier turns, oldest first.
 *
 * @param after the newest run that no longer counts among them
 */
export async function pastMessages(
  reads: Queryable,
  tenantId: string,
  agentId: string,
  beforeSeq: number,
  after: string | null,
): Promise<{ messages: PastMessageOfRun[]; total: number }> {
  const of = [tenantId, agentId, beforeSeq, after]
  const { rows } = await reads.query<PastMessageOfRun>({
    name: 'past-messages',
    text: `select m.message_id, m.role, m.content, m.created_at, t.run_id ${PAST}
            order by t.seq desc, m.version desc, m.item desc limit $5`,
    values: [...of, PAST_MESSAGES_MAX],
  })
  const messages = rows.reverse()
  if (messages.length < PAST_MESSAGES_MAX) return { messages, total: messages.length }
  const { rows: counted } = await reads.query<{ total: number }>({
    text: `select count(*)::int as total ${PAST}`,
    values: [...of, null],
  })
  return { messages, total: counted[0]?.total ?? messages.length }
}

/** What a turn is sent in place of the messages of older ones. */
export interface Summary {
  readonly message_id: string
  readonly text: string
  readonly through_run_id: string
}

/**
 * The newest summary that a turn may be sent, made in it or before it.
 *
 * @param resetThrough what was said up to this run is forgotten, and summaries of it too
 * @param messageId the one it was sent
 */
export async function newestSummary(
  reads: Queryable,
  tenantId: string,
  agentId: string,
  seq: number,
  resetThrough: string | null,
  messageId?: string,
): Promise<Summary | null> {
  const { rows } = await reads.query<{ message_id: string; content: SummaryContent }>({
    name: 'newest-summary',
    text: `select m.message_id, m.content from messages m
      cross join lateral (select seq from turns where tenant_id = $1 and run_id = m.run_id limit 1) t
      where m.tenant_id = $1 and m.agent_id = $2 and m.role = 'summary' and t.seq <= $3
        and t.seq > coalesce((select r.seq from turns r where r.tenant_id = $1 and r.run_id = $4), 0)
        and ($5::text is null or m.message_id = $5)
      order by t.seq desc, m.version desc limit 1`,
    values: [tenantId, agentId, seq, resetThrough, messageId ?? null],
  })
  const [row] = rows
  if (!row) return null
  const { content: text, through_run_id } = row.content
  return { message_id: row.message_id, text, through_run_id }
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
