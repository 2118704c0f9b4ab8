import { createHash } from 'node:crypto'
import type { BlockState } from '#domain/block-state.js'
import { streamKind } from '#domain/event.js'
import type { Plan } from './group.js'
import { StatementBuilder as Builder } from './statement-builder.js'
import { mailboxes, rows } from './statement-rows.js'

/** A named statement: Postgres plans each combination of parts once per connection. */
export interface Statement {
  readonly name: string
  readonly text: string
  readonly values: unknown[]
}

/** What the statement answers: nothing was written unless `ok`. */
export interface Answer {
  readonly ok: boolean
  /** Streams whose head had moved or was locked elsewhere. */
  readonly lost: readonly string[]
  /** Places (1-based) in the plan's fences whose epoch no longer holds. */
  readonly fenced: readonly number[]
}

/**
 * One statement for a whole group: heads move by compare-and-set, and only if every head and every
 * epoch holds are events, results and rows written.
 *
 * The events INSERT is fed by the parts that lock and insert the heads and keeps its ORDER BY: so a
 * position is drawn under the lock of every stream written, in the order of the decisions. Lock order
 * everywhere: heads by stream id, then mailboxes by agent id.
 */
export function groupStatement(plan: Plan): Statement {
  const b = new Builder()
  const tenant = b.value(plan.tenantId, 'text')
  heads(b, plan, tenant)
  if (plan.events.length > 0) events(b, plan, tenant)
  if (plan.results.length > 0) results(b, plan, tenant)
  mailboxes(b, plan, tenant)
  rows(b, plan, tenant)
  const fenced = b.parts.includes('box')
    ? `array(select n from generate_series(1, (select count from fences)) n
        where (select ok from all_locked) and n not in (select n from box))`
    : `'{}'::int[]`
  const text = `with ${b.ctes.join(',\n')}
select exists (select from ok) as ok,
       array(select stream_id from want except select stream_id from locked) as lost,
       ${fenced} as fenced`
  return { name: statementName(b.parts), text, values: b.values }
}

/** Postgres cuts longer names off, and two statements would pass for one. */
const NAME_LENGTH_MAX = 63

function statementName(parts: readonly string[]): string {
  const name = `group:${parts.join('+')}`
  if (name.length <= NAME_LENGTH_MAX) return name
  return `group:${createHash('sha256').update(name).digest('base64url')}`
}

function heads(b: Builder, plan: Plan, tenant: string): void {
  const all = [...plan.heads.values()]
  const known = all.filter((head) => head.oldVersion > 0)
  const fresh = all.filter((head) => head.oldVersion === 0)
  const ids = b.value(
    known.map((h) => h.stream.streamId),
    'text[]',
  )
  b.ctes.push(`want as (
  select * from unnest(${ids}, ${b.value(
    known.map((h) => h.oldVersion),
    'int[]',
  )},
      ${b.value(
        known.map((h) => h.stream.version),
        'int[]',
      )}, ${b.value(
        known.map((h) => h.stream.hash),
        'bytea[]',
      )},
      ${b.value(
        known.map((h) => textOf(h.stream.state)),
        'text[]',
      )}, ${b.value(
        known.map((h) => lengthOf(h.stream.state)),
        'int[]',
      )})
    w(stream_id, old_version, new_version, hash, value, length))`)
  b.ctes.push(`locked as (
  select s.stream_id from streams s join want w using (stream_id)
   where s.tenant_id = ${tenant} and s.version = w.old_version
   order by s.stream_id
     for update of s skip locked)`)
  b.ctes.push(`all_locked as (
  select (select count(*) from locked) = cardinality(${ids}) as ok)`)
  const boxes = boxedAgents(plan)
  if (boxes.length > 0) box(b, plan, tenant, boxes)
  const held = boxes.length > 0 ? ` and (select count(*) from box) = (select count from boxes)` : ''
  b.ctes.push(`ok as (select 1 where (select ok from all_locked)${held})`)
  b.ctes.push(`upd as (
  update streams s set version = w.new_version, hash = w.hash, value = w.value, length = w.length
    from want w, ok
   where s.tenant_id = ${tenant} and s.stream_id = w.stream_id and s.version = w.old_version
     and w.new_version > w.old_version
  returning s.stream_id)`)
  if (fresh.length > 0) {
    b.part(
      'fresh',
      `fresh as (
  insert into streams (tenant_id, stream_id, kind, version, hash, value, length)
  select ${tenant}, n.* from ok, unnest(${b.value(
    fresh.map((h) => h.stream.streamId),
    'text[]',
  )},
      ${b.value(
        fresh.map((h) => streamKind(h.stream.streamId)),
        'text[]',
      )}, ${b.value(
        fresh.map((h) => h.stream.version),
        'int[]',
      )},
      ${b.value(
        fresh.map((h) => h.stream.hash),
        'bytea[]',
      )}, ${b.value(
        fresh.map((h) => textOf(h.stream.state)),
        'text[]',
      )},
      ${b.value(
        fresh.map((h) => lengthOf(h.stream.state)),
        'int[]',
      )})
    n(stream_id, kind, version, hash, value, length)
   order by n.stream_id
  returning stream_id)`,
    )
  }
  const both = fresh.length > 0 ? ' union all select stream_id from fresh' : ''
  b.ctes.push(`head as (select stream_id from upd${both})`)
}

/** Fences first, so that a place in the answer names a fence; then mailboxes about to change. */
function boxedAgents(plan: Plan): { agentId: string; epoch: number | null }[] {
  const changed = [...plan.mailboxes]
    .filter(([, box]) => !box.open)
    .map(([agentId]) => ({ agentId, epoch: null }))
  return [...plan.fences.map(({ agentId, epoch }) => ({ agentId, epoch })), ...changed]
}

/** `no key update`, not `share`: the same statement may change the row, and two sharers would deadlock. */
function box(
  b: Builder,
  plan: Plan,
  tenant: string,
  boxes: { agentId: string; epoch: number | null }[],
): void {
  const agents = b.value(
    boxes.map((x) => x.agentId),
    'text[]',
  )
  b.ctes.push(`boxes as (select cardinality(${agents}) as count)`)
  b.ctes.push(`fences as (select ${b.value(plan.fences.length, 'int')} as count)`)
  b.part(
    'box',
    `box as (
  select b.n from unnest(${agents}, ${b.value(
    boxes.map((x) => x.epoch),
    'bigint[]',
  )}) with ordinality b(agent_id, epoch, n)
    join mailboxes m on m.tenant_id = ${tenant} and m.agent_id = b.agent_id and m.epoch = coalesce(b.epoch, m.epoch)
   where (select ok from all_locked)
   order by m.agent_id
     for no key update of m)`,
  )
}

function events(b: Builder, plan: Plan, tenant: string): void {
  const all = plan.events
  const json = (value: unknown): string | null => (value === null ? null : JSON.stringify(value))
  b.part(
    'events',
    `ins as (
  insert into events (tenant_id, stream_id, version, type, schema, actor, command_id, correlation, base_version,
                      recorded_at, payload, salt, payload_hash, prev_hash, hash)
  select ${tenant}, e.stream_id, e.version, e.type, e.schema, e.actor, e.command_id, e.correlation, e.base_version,
         e.recorded_at, e.payload, e.salt, e.payload_hash, e.prev_hash, e.hash
    from unnest(${b.value(
      all.map((e) => e.event.streamId),
      'text[]',
    )}, ${b.value(
      all.map((e) => e.event.version),
      'int[]',
    )},
         ${b.value(
           all.map((e) => e.event.type),
           'text[]',
         )}, ${b.value(
           all.map((e) => e.schema),
           'smallint[]',
         )},
         ${b.value(
           all.map((e) => json(e.event.actor)),
           'json[]',
         )}, ${b.value(
           all.map((e) => e.event.commandId),
           'text[]',
         )},
         ${b.value(
           all.map((e) => json(e.event.correlation)),
           'json[]',
         )}, ${b.value(
           all.map((e) => e.event.baseVersion),
           'int[]',
         )},
         ${b.value(
           all.map((e) => e.event.recordedAt),
           'timestamptz[]',
         )}, ${b.value(
           all.map((e) => e.payload),
           'json[]',
         )},
         ${b.value(
           all.map((e) => e.link.salt),
           'bytea[]',
         )}, ${b.value(
           all.map((e) => e.link.payloadHash),
           'bytea[]',
         )},
         ${b.value(
           all.map((e) => e.link.prevHash),
           'bytea[]',
         )}, ${b.value(
           all.map((e) => e.link.hash),
           'bytea[]',
         )})
         with ordinality e(stream_id, version, type, schema, actor, command_id, correlation, base_version, recorded_at,
                           payload, salt, payload_hash, prev_hash, hash, ord)
    join head using (stream_id)
   order by e.ord)`,
  )
}

function results(b: Builder, plan: Plan, tenant: string): void {
  const all = plan.results
  b.part(
    'results',
    `res as (
  insert into command_results (tenant_id, command_id, stream_id, fingerprint, verdict, version, facts, kept_until)
  select ${tenant}, c.* from ok, unnest(${b.value(
    all.map((r) => r.commandId),
    'text[]',
  )},
      ${b.value(
        all.map((r) => r.streamId),
        'text[]',
      )}, ${b.value(
        all.map((r) => r.fingerprint),
        'bytea[]',
      )},
      ${b.value(
        all.map((r) => r.verdict),
        'text[]',
      )}, ${b.value(
        all.map((r) => r.version),
        'int[]',
      )},
      ${b.value(
        all.map((r) => r.facts),
        'json[]',
      )}, ${b.value(
        all.map((r) => r.keptUntil),
        'timestamptz[]',
      )})
    c(command_id, stream_id, fingerprint, verdict, version, facts, kept_until)
   order by c.command_id)`,
  )
}

/** Longer texts are not rewritten with every edit: they are read from snapshot and events. In bytes. */
const INLINE_BYTES_MAX = 2_048

export function textOf(state: object): string | null {
  if (!('attached' in state)) return null
  const { value, length } = state as BlockState
  if (length > INLINE_BYTES_MAX) return null
  return Buffer.byteLength(value) <= INLINE_BYTES_MAX ? value : null
}

export function lengthOf(state: object): number {
  return 'attached' in state ? (state as BlockState).length : 0
}
