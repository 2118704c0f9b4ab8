import type { EventRow, Head, Plan, ResultRow } from './plan.js'
import { lengthOf, type Statement, textOf } from './statement.js'

/**
 * The short form for a unit that is alone and appends one event to one known stream: no arrays. Null
 * when the plan holds more than that.
 */
export function scalarStatement(plan: Plan): Statement | null {
  const [head, ...heads] = plan.heads.values()
  const [event, ...events] = plan.events
  const [result, ...results] = plan.results
  const more = heads.length + events.length + results.length + plan.fences.length
  if (!head || !event || more > 0 || plan.rows.size > 0 || plan.mailboxes.size > 0) return null
  if (head.oldVersion === 0 || head.stream.version !== head.oldVersion + 1) return null
  return result ? withResult(plan, head, event, result) : plain(plan, head, event)
}

const EVENT = `
locked as (
  select stream_id from streams where tenant_id = $1 and stream_id = $2 and version = $3
     for update skip locked),
upd as (
  update streams s set version = $4, hash = $5, value = $6, length = $7
    from locked l
   where s.tenant_id = $1 and s.stream_id = l.stream_id and s.version = $3
  returning s.stream_id),
ins as (
  insert into events (tenant_id, stream_id, version, type, schema, actor, command_id, correlation, base_version,
                      recorded_at, payload, salt, payload_hash, prev_hash, hash)
  select $1, stream_id, $4, $8, $9, $10::json, $11, $12::json, $13, $14, $15::json, $16, $17, $18, $5 from upd)`

const ANSWER = `
select exists (select from upd) as ok,
       array(select $2::text where not exists (select from upd)) as lost, '{}'::int[] as fenced`

function plain(plan: Plan, head: Head, row: EventRow): Statement {
  return { name: 'one', text: `with ${EVENT}${ANSWER}`, values: values(plan, head, row) }
}

function withResult(plan: Plan, head: Head, row: EventRow, result: ResultRow): Statement {
  const { fingerprint, verdict, facts, keptUntil } = result
  return {
    name: 'one+result',
    text: `with ${EVENT},
res as (
  insert into command_results (tenant_id, command_id, stream_id, fingerprint, verdict, version, facts, kept_until)
  select $1, $11, stream_id, $19, $20, $4, $21::json, $22 from upd)${ANSWER}`,
    values: [...values(plan, head, row), fingerprint, verdict, facts, keptUntil],
  }
}

function values(plan: Plan, { stream, oldVersion }: Head, row: EventRow): unknown[] {
  const { event, link, schema, payload } = row
  return [
    plan.tenantId,
    stream.streamId,
    oldVersion,
    stream.version,
    stream.hash,
    textOf(stream.state),
    lengthOf(stream.state),
    event.type,
    schema,
    JSON.stringify(event.actor),
    event.commandId,
    event.correlation === null ? null : JSON.stringify(event.correlation),
    event.baseVersion,
    event.recordedAt,
    payload,
    link.salt,
    link.payloadHash,
    link.prevHash,
  ]
}
