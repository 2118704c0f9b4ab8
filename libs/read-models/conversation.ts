import { type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely'
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
 * The newest messages of an agent's earlier turns, oldest first.
 *
 * @param after the newest run that no longer counts among them
 */
export async function pastMessages(
  db: Kysely<Tables>,
  tenantId: string,
  agentId: string,
  beforeSeq: number,
  after: string | null,
): Promise<{ messages: PastMessageOfRun[]; total: number }> {
  const turns = db
    .selectFrom('messages as m')
    .innerJoin('turns as t', (join) =>
      join.onRef('t.tenant_id', '=', 'm.tenant_id').onRef('t.run_id', '=', 'm.run_id'),
    )
    .where('t.tenant_id', '=', tenantId)
    .where('t.agent_id', '=', agentId)
    .where('t.seq', '<', String(beforeSeq))
    // What became of an answered call stands in its return; a summary comes before them all.
    .where('m.role', 'not in', ['approval', 'summary'])
  const earlier =
    after === null
      ? turns
      : turns.where(sql<SqlBool>`t.seq > (select r.seq from turns r
          where r.tenant_id = ${tenantId} and r.run_id = ${after})`)
  const rows = await earlier
    .select(['m.message_id', 'm.role', 'm.content', 'm.created_at', 'm.run_id'])
    .orderBy('t.seq', 'desc')
    .orderBy('m.version', 'desc')
    .orderBy('m.item', 'desc')
    .limit(PAST_MESSAGES_MAX)
    .execute()
  const messages = rows.reverse() as PastMessageOfRun[]
  if (messages.length < PAST_MESSAGES_MAX) return { messages, total: messages.length }
  const count = await earlier.select(sql<string>`count(*)`.as('n')).executeTakeFirstOrThrow()
  return { messages, total: Number(count.n) }
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
  db: Kysely<Tables>,
  tenantId: string,
  agentId: string,
  seq: number,
  resetThrough: string | null,
  messageId?: string,
): Promise<Summary | null> {
  const { rows } = await sql<{ message_id: string; content: SummaryContent }>`
    select m.message_id, m.content from messages m
      join turns t on t.tenant_id = m.tenant_id and t.run_id = m.run_id
     where m.tenant_id = ${tenantId} and m.agent_id = ${agentId} and m.role = 'summary'
       and t.seq <= ${seq}
       and t.seq > coalesce((select r.seq from turns r
            where r.tenant_id = ${tenantId} and r.run_id = ${resetThrough}), 0)
       and (${messageId ?? null}::text is null or m.message_id = ${messageId ?? null})
     order by t.seq desc, m.version desc limit 1`.execute(db)
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
