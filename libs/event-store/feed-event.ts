import type { Actor, Correlation } from '#domain/actor.js'
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

interface Row {
  position: string
  tenant_id: string
  stream_id: string
  version: number
  type: string
  actor: Actor
  command_id: string
  correlation: Correlation | null
  base_version: number | null
  payload: object | null
  recorded_at: Date
  hash: Buffer
  turn_of: string | null
}

/** A look-up for each row, never a join: no plan may read the whole of `turns` for a few events. */
const TURN_OF = `case when e.stream_id like 'run-%' then
         (select t.agent_id from turns t where t.tenant_id = e.tenant_id and t.run_id = e.stream_id)
       end`
const SELECT = `select e.position, e.tenant_id, e.stream_id, e.version, e.type, e.actor, e.command_id,
       e.correlation, e.base_version, e.payload, e.recorded_at, e.hash, ${TURN_OF} as turn_of
  from events e`

/** True if the filter lets the event through: the same as `readWindow` does in the database. */
export function matches(event: FeedEvent, filter: FeedFilter): boolean {
  const { types, agentId, streamId } = filter
  if (types && !types.includes(event.type)) return false
  if (streamId !== undefined && event.streamId !== streamId) return false
  if (agentId === undefined) return true
  const byAgent = event.actor.kind === 'agent' && event.actor.id === agentId
  return byAgent || event.streamId === agentId || event.turnOf === agentId
}

/** Events of all tenants with `after < position <= upTo`, in the order of the log. */
export async function readAll(
  db: Queryable,
  after: number,
  upTo: number,
  limit: number,
): Promise<FeedEvent[]> {
  const { rows } = await db.query<Row>({
    name: 'feed-all',
    text: `${SELECT} where e.position > $1 and e.position <= $2 order by e.position limit $3`,
    values: [after, upTo, limit],
  })
  return rows.map(toEvent)
}

/**
 * A tenant's events with `after < position <= upTo` that the filter lets through, in the order of the
 * log. `upTo` must be certified.
 */
export async function readWindow(
  db: Queryable,
  tenantId: string,
  filter: FeedFilter,
  after: number,
  upTo: number,
  limit: number,
): Promise<FeedEvent[]> {
  const values: unknown[] = [after, upTo, limit, tenantId]
  const parameter = (value: unknown): string => `$${values.push(value)}`
  const where = ['e.position > $1', 'e.position <= $2', 'e.tenant_id = $4']
  const { types, agentId, streamId } = filter
  if (types) where.push(`e.type = any(${parameter(types)}::text[])`)
  if (streamId !== undefined) where.push(`e.stream_id = ${parameter(streamId)}`)
  if (agentId !== undefined) {
    const agent = parameter(agentId)
    const by = `e.actor->>'kind' = 'agent' and e.actor->>'id' = ${agent}`
    where.push(`(e.stream_id = ${agent} or (${by}) or ${TURN_OF} = ${agent})`)
  }
  // Not named: the best plan depends on how much of the log the window holds.
  const text = `${SELECT} where ${where.join(' and ')} order by e.position limit $3`
  const { rows } = await db.query<Row>({ text, values })
  return rows.map(toEvent)
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

function toEvent(row: Row): FeedEvent {
  return {
    position: Number(row.position),
    tenantId: row.tenant_id,
    streamId: row.stream_id,
    version: row.version,
    type: row.type,
    actor: row.actor,
    commandId: row.command_id,
    correlation: row.correlation,
    baseVersion: row.base_version,
    payload: row.payload,
    recordedAt: row.recorded_at.toISOString(),
    hash: row.hash,
    turnOf: row.turn_of,
  }
}
