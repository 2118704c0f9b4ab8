import { type ClientBase, escapeLiteral, type Pool } from 'pg'
import type { Actor, Correlation } from '#domain/actor.js'
import { FEED_COLUMNS, readFeedRow, TURN_OF } from './feed-row.js'
import { isPast, type Mark } from './fence.js'
import { RowCopy } from './row-copy.js'
import type { Queryable } from './stream-reader.js'

/**
 * An event as the feed hands it on: as it stands in the log, types this version does not know
 * included, because a reader passes it on or ignores it but folds nothing.
 */
export interface FeedEvent {
  /** Its place in the log: rises, with gaps where commits were rolled back. */
  readonly position: number
  readonly tenantId: string
  readonly streamId: string
  readonly version: number
  readonly type: string
  readonly actor: Actor
  readonly commandId: string
  readonly correlation: Correlation | null
  readonly baseVersion: number | null
  /** Null once erased. */
  readonly payload: object | null
  /** UTC ISO-8601 with milliseconds and Z. */
  readonly recordedAt: string
  /** Of the chain of its stream. */
  readonly hash: Buffer
  /** The agent whose turn it belongs to, when it stands in a turn's stream. */
  readonly turnOf: string | null
}

/** What a reader wants of the log. Everything given must hold. */
export interface FeedFilter {
  readonly types?: readonly string[]
  /** Events of the agent's own stream, of its turns, and by it on blocks. */
  readonly agentId?: string
  /** Events of one stream: a block's id names its stream. */
  readonly streamId?: string
}

/** True if the filter lets the event through: the same as `readWindow` does in the database. */
export function matches(event: FeedEvent, filter: FeedFilter): boolean {
  const { types, agentId, streamId } = filter
  if (types && !types.includes(event.type)) return false
  if (streamId !== undefined && event.streamId !== streamId) return false
  if (agentId === undefined) return true
  const byAgent = event.actor.kind === 'agent' && event.actor.id === agentId
  return byAgent || event.streamId === agentId || event.turnOf === agentId
}

/**
 * Events of all tenants with `after < position <= upTo`, in the order of the log.
 *
 * @param past the mark of the fence that makes `upTo` certain: before it has passed, nothing is read.
 */
export function readAll(
  session: ClientBase,
  window: { readonly after: number; readonly upTo: number; readonly limit: number },
  past?: Mark,
): Promise<FeedEvent[]> {
  const { after, upTo, limit } = window
  const where = [`e.position > ${after}`, `e.position <= ${upTo}`]
  if (past) where.push(isPast(past))
  return readRows(session, where, limit)
}

/**
 * A tenant's events with `after < position <= upTo` that the filter lets through, in the order of the
 * log. `upTo` must be certified.
 */
export async function readWindow(
  pool: Pool,
  tenantId: string,
  filter: FeedFilter,
  after: number,
  upTo: number,
  limit: number,
): Promise<FeedEvent[]> {
  const where = [
    `e.position > ${after}`,
    `e.position <= ${upTo}`,
    `e.tenant_id = ${escapeLiteral(tenantId)}`,
  ]
  const { types, agentId, streamId } = filter
  if (types) where.push(`e.type = any(array[${types.map(escapeLiteral).join()}]::text[])`)
  if (streamId !== undefined) where.push(`e.stream_id = ${escapeLiteral(streamId)}`)
  if (agentId !== undefined) {
    const agent = escapeLiteral(agentId)
    const by = `e.actor->>'kind' = 'agent' and e.actor->>'id' = ${agent}`
    where.push(`(e.stream_id = ${agent} or (${by}) or ${TURN_OF} = ${agent})`)
  }
  const session = await pool.connect()
  // A connection that breaks while it is held says so as an event too; unheard, it ends the process.
  session.on('error', ignore)
  let broken = true
  try {
    const events = await readRows(session, where, limit)
    broken = false
    return events
  } finally {
    session.off('error', ignore)
    session.release(broken)
  }
}

/**
 * As a COPY, like every reader of many events. It is planned each time, which suits: the best plan depends
 * on how much of the log the window holds.
 */
async function readRows(
  session: ClientBase,
  where: readonly string[],
  limit: number,
): Promise<FeedEvent[]> {
  const text = `copy (select ${FEED_COLUMNS} from events e
    where ${where.join(' and ')} order by e.position limit ${limit}) to stdout (format binary)`
  const copy = RowCopy.start(session, text)
  const events: FeedEvent[] = []
  for (let window = await copy.next(); window; window = await copy.next()) {
    events.push(...window.map(readFeedRow))
  }
  return events
}

/** The last event at or below a certified position: 0 when there is none. */
export async function lastPosition(db: Queryable, upTo: number): Promise<number> {
  const { rows } = await db.query<{ position: string }>({
    name: 'feed-last',
    text: 'select position from events where position <= $1 order by position desc limit 1',
    values: [upTo],
  })
  return Number(rows[0]?.position ?? 0)
}

/** The query that was under way reports the same. */
function ignore(): void {}
