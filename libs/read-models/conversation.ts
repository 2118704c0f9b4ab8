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

/** What a turn is sent in place of the messages of older ones. */
export interface Summary {
  readonly message_id: string
  readonly text: string
  readonly through_run_id: string
}

/** What a turn may be sent of its agent's earlier ones. */
export interface Past {
  readonly summary: Summary | null
  /** Behind the summary, oldest first: the newest of them. */
  readonly messages: readonly PastMessageOfRun[]
  /** How many there are in all. */
  readonly total: number
}

/** Stored messages a turn may look back on. */
const PAST_MESSAGES_MAX = 2_000

/**
 * The newest summary ($6: that one, or any; null: none), made in the turn or before it but not in what is
 * forgotten, and the messages behind it, newest first. By a lateral join with limits: no plan, and none that is
 * made while the tables are new, may read other agents' messages for it. What became of an answered call stands in
 * its return.
 */
const PAST = `
  with summary as materialized (
         select m.message_id, m.content, m.created_at, m.run_id from messages m
          cross join lateral (select seq from turns where tenant_id = $1 and run_id = m.run_id limit 1) t
          where m.tenant_id = $1 and m.agent_id = $2 and m.role = 'summary' and t.seq <= $3
            and t.seq > coalesce((select r.seq from turns r where r.tenant_id = $1 and r.run_id = $4), 0)
            and ($6 = 'any' or m.message_id = $6)
          order by t.seq desc, m.version desc limit 1),
       forgotten as materialized (
         select seq from turns where tenant_id = $1
            and run_id = coalesce((select content->>'through_run_id' from summary), $4)),
       past as (
         select m.message_id, m.role, m.content, m.created_at, t.run_id, t.seq, m.version, m.item
           from (select run_id, seq from turns
                  where tenant_id = $1 and agent_id = $2 and seq < $3
                    and seq > coalesce((select seq from forgotten), 0)
                  order by seq desc limit $5) t
          cross join lateral (
                select message_id, role, content, created_at, version, item from messages
                 where tenant_id = $1 and run_id = t.run_id and role not in ('approval', 'summary')
                 order by version desc, item desc limit $5) m
          order by t.seq desc, m.version desc, m.item desc limit $5)`

/**
 * The newest messages of an agent's earlier turns, behind the summary of those before them.
 *
 * @param turn of the agent: its place in the mailbox
 * @param resetThrough what was said up to this run is forgotten, and summaries of it too
 * @param summary `any`: the newest one; null: none is wanted; else the one of this message
 */
export async function readPast(
  reads: Queryable,
  tenantId: string,
  turn: { readonly agentId: string; readonly seq: number },
  resetThrough: string | null,
  summary: string | null,
): Promise<Past> {
  const of = [tenantId, turn.agentId, turn.seq, resetThrough]
  const { rows } = await reads.query<PastMessageOfRun | SummaryRow>({
    name: 'read-past',
    text: `${PAST}
      select message_id, role, content, created_at, run_id from (
        select message_id, 'summary' as role, content, created_at, run_id,
               null::bigint as seq, 0 as version, 0 as item from summary
        union all select * from past) p
       order by seq desc nulls first, version desc, item desc`,
    values: [...of, PAST_MESSAGES_MAX, summary],
  })
  const found = rows[0]?.role === 'summary' ? (rows.shift() as SummaryRow) : null
  const messages = (rows as PastMessageOfRun[]).reverse()
  const past = { summary: found && toSummary(found), messages, total: messages.length }
  if (messages.length < PAST_MESSAGES_MAX) return past
  const { rows: counted } = await reads.query<{ total: number }>({
    text: `${PAST} select count(*)::int as total from past`,
    values: [...of, null, summary],
  })
  return { ...past, total: counted[0]?.total ?? messages.length }
}

interface SummaryRow {
  readonly message_id: string
  readonly role: 'summary'
  readonly content: SummaryContent
}

function toSummary({ message_id, content }: SummaryRow): Summary {
  return { message_id, text: content.content, through_run_id: content.through_run_id }
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
