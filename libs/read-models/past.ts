import { GroupReads } from '#event-store/group-reads.js'
import type { Queryable } from '#event-store/stream-reader.js'
import type { SummaryContent } from '#postgres/message-content.js'
import type { ConversationMessage } from './conversation.js'

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

/** Which turn asks, and for what. */
export interface PastAsked {
  readonly agentId: string
  /** The turn's place in its agent's mailbox. */
  readonly seq: number
  /** What was said up to this run is forgotten, and summaries of it too. */
  readonly resetThrough: string | null
  /** `any`: the newest one; null: none is wanted; else the one of this message. */
  readonly summary: string | null
}

/** Stored messages a turn may look back on. */
const MESSAGES_MAX = 2_000
/** So many are read for each of those that ask together; who has more is read alone. */
const MESSAGES_TOGETHER_MIN = 64

/**
 * Of each who asks the newest summary, made in the turn or before it but not in what is forgotten, and the
 * messages behind it, newest first. By lateral joins with limits: no plan, and none that is made while the tables are
 * new, may read other agents' messages for it. What became of an answered call stands in its return. The condition on
 * `a` always holds: by it the planner expects one who asks, and keeps its plan.
 */
const PAST = `
  from unnest($2::text[], $3::bigint[], $4::text[], $5::text[])
       with ordinality a(agent_id, seq, reset_through, summary, n)
  cross join lateral (
    with summary as materialized (
           select m.message_id, m.content, m.created_at, m.run_id from messages m
            cross join lateral (select seq from turns where tenant_id = $1 and run_id = m.run_id limit 1) t
            where m.tenant_id = $1 and m.agent_id = a.agent_id and m.role = 'summary' and t.seq <= a.seq
              and t.seq > coalesce((
                select r.seq from turns r where r.tenant_id = $1 and r.run_id = a.reset_through), 0)
              and (a.summary = 'any' or m.message_id = a.summary)
            order by t.seq desc, m.version desc limit 1),
         forgotten as materialized (
           select seq from turns where tenant_id = $1
              and run_id = coalesce((select content->>'through_run_id' from summary), a.reset_through)),
         past as (
           select m.message_id, m.role, m.content, m.created_at, t.run_id, t.seq, m.version, m.item
             from (select run_id, seq from turns
                    where tenant_id = $1 and agent_id = a.agent_id and seq < a.seq
                      and seq > coalesce((select seq from forgotten), 0)
                    order by seq desc limit $6) t
            cross join lateral (
                  select message_id, role, content, created_at, version, item from messages
                   where tenant_id = $1 and run_id = t.run_id and role not in ('approval', 'summary')
                   order by version desc, item desc limit $6) m
            order by t.seq desc, m.version desc, m.item desc limit $6)
    select message_id, 'summary' as role, content, created_at, run_id,
           null::bigint as seq, 0 as version, 0 as item from summary
     union all select * from past) p
   where a.n >= 1 and a.seq >= 0`

/** What turns of one process ask of the past at the same time goes to Postgres as one statement. */
export class Pasts {
  readonly #reads: GroupReads<Past>

  constructor(db: Queryable) {
    this.#reads = new GroupReads((tenantId, keys) => readTogether(db, tenantId, keys))
  }

  /** The newest messages of an agent's earlier turns, behind the summary of those before them. */
  async of(tenantId: string, asked: PastAsked): Promise<Past> {
    const { agentId, seq, resetThrough, summary } = asked
    const key = JSON.stringify([agentId, seq, resetThrough, summary])
    const found = await this.#reads.getAll(tenantId, [key])
    return found.get(key) as Past
  }
}

async function readTogether(
  db: Queryable,
  tenantId: string,
  keys: readonly string[],
): Promise<Map<string, Past | Promise<Past>>> {
  const asked = keys.map(toAsked)
  const each = Math.max(MESSAGES_TOGETHER_MIN, Math.floor(MESSAGES_MAX / keys.length))
  const found = await read(db, tenantId, asked, each)
  const whole = (past: Past, n: number): Past | Promise<Past> => {
    if (past.messages.length < each) return past
    const one = asked[n] as PastAsked
    return each < MESSAGES_MAX ? readAlone(db, tenantId, one) : counted(db, tenantId, one, past)
  }
  return new Map(keys.map((key, n) => [key, whole(found[n] as Past, n)]))
}

function toAsked(key: string): PastAsked {
  const [agentId, seq, resetThrough, summary] = JSON.parse(key)
  return { agentId, seq, resetThrough, summary }
}

async function readAlone(db: Queryable, tenantId: string, asked: PastAsked): Promise<Past> {
  const [past] = (await read(db, tenantId, [asked], MESSAGES_MAX)) as [Past]
  return past.messages.length < MESSAGES_MAX ? past : counted(db, tenantId, asked, past)
}

/** With more behind it than a turn may look back on: how many there are is asked for, and nothing of them. */
async function counted(
  db: Queryable,
  tenantId: string,
  asked: PastAsked,
  past: Past,
): Promise<Past> {
  const { rows } = await db.query<{ total: number }>({
    text: `select count(*) filter (where p.role <> 'summary')::int as total ${PAST}`,
    values: valuesOf(tenantId, [asked], null),
  })
  return { ...past, total: rows[0]?.total ?? past.messages.length }
}

interface SummaryRow extends Pick<PastMessageOfRun, 'message_id'> {
  readonly role: 'summary'
  readonly content: SummaryContent
}

/** `n` from 1: which of those who asked it is for. */
type PastRow = (PastMessageOfRun | SummaryRow) & { readonly n: string }

async function read(
  db: Queryable,
  tenantId: string,
  asked: readonly PastAsked[],
  limit: number,
): Promise<Past[]> {
  const { rows } = await db.query<PastRow>({
    name: 'read-past',
    text: `select a.n, p.message_id, p.role, p.content, p.created_at, p.run_id ${PAST}
            order by a.n, p.seq desc nulls first, p.version desc, p.item desc`,
    values: valuesOf(tenantId, asked, limit),
  })
  const found = asked.map((): PastRow[] => [])
  for (const row of rows) found[Number(row.n) - 1]?.push(row)
  return found.map(toPast)
}

function valuesOf(tenantId: string, asked: readonly PastAsked[], limit: number | null): unknown[] {
  return [
    tenantId,
    asked.map(({ agentId }) => agentId),
    asked.map(({ seq }) => seq),
    asked.map(({ resetThrough }) => resetThrough),
    asked.map(({ summary }) => summary),
    limit,
  ]
}

/** @param rows newest first, before them the summary */
function toPast(rows: readonly PastRow[]): Past {
  const [first] = rows
  const summary = first?.role === 'summary' ? toSummary(first) : null
  const messages = rows.flatMap(({ n: _, ...row }) => (row.role === 'summary' ? [] : [row]))
  messages.reverse()
  return { summary, messages, total: messages.length }
}

function toSummary({ message_id, content }: SummaryRow): Summary {
  return { message_id, text: content.content, through_run_id: content.through_run_id }
}
