import { createHash } from 'node:crypto'
import type { BlockState } from '#domain/block-state.js'
import { streamKind } from '#domain/event.js'
import type { ElementType } from './binary-array.js'
import { type EventContext, EventContexts } from './event-contexts.js'
import type { Head, MailboxFence, Plan } from './plan.js'
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
  /** Places (1-based) in the plan's fences that do not hold. */
  readonly fenced: readonly number[]
}

/**
 * One statement for a whole group: heads move by compare-and-set, and only if every head and every
 * epoch holds are events, results and rows written.
 *
 * The events INSERT waits for the parts that lock, update and insert the heads, and keeps its ORDER
 * BY: so a position is drawn under the lock of every stream written, in the order of the decisions.
 * Lock order everywhere: heads by stream id, then mailboxes by agent id.
 *
 * Tables are joined by columns of the rows that come in, the tenant included, and locked one by one
 * (`lateral`): while a table has no statistics a constant tenant looks selective, and the generic plan
 * would walk through everything the tenant has.
 */
export function groupStatement(plan: Plan): Statement {
  const b = new Builder()
  const tenant = b.value(plan.tenantId, 'text')
  const heads = [...plan.heads.values()]
  const known = heads.filter((head) => head.oldVersion > 0)
  const moves = known.some(isMoved)
  const fresh = heads.filter((head) => head.oldVersion === 0)
  const { ids, versions } = lock(b, plan, tenant, known)
  if (moves) move(b, tenant, known, `${ids}, ${versions}`)
  if (fresh.length > 0) open(b, tenant, fresh)
  if (plan.events.length > 0) events(b, plan, tenant, moves, fresh.length > 0)
  if (plan.results.length > 0) results(b, plan, tenant)
  mailboxes(b, plan, tenant)
  rows(b, plan, tenant)
  const fenced = b.parts.includes('box')
    ? `case when not exists (select from ok) then array(select n from generate_series(1, (select count from fences)) n
        where (select ok from all_locked) and n not in (select n from box)) else '{}' end`
    : `'{}'::int[]`
  const text = `with ${b.ctes.join(',\n')}
select exists (select from ok) as ok,
       case when (select ok from all_locked) then '{}'
            else array(select unnest(${ids}) except select stream_id from locked) end as lost,
       ${fenced} as fenced`
  return { name: statementName(b.parts), text, values: b.values }
}

/** Stands where the salt of an erased event stood. */
const ERASED = Buffer.alloc(0)

/** Postgres cuts longer names off, and two statements would pass for one. */
const NAME_LENGTH_MAX = 63

function statementName(parts: readonly string[]): string {
  const name = `group:${parts.join('+')}`
  if (name.length <= NAME_LENGTH_MAX) return name
  return `group:${createHash('sha256').update(name).digest('base64url')}`
}

/** Known heads at the versions the group was decided on; one that is locked elsewhere is passed over. */
function lock(
  b: Builder,
  plan: Plan,
  tenant: string,
  known: readonly Head[],
): { ids: string; versions: string } {
  const ids = b.column('text', known, (head) => head.stream.streamId)
  const versions = b.column('int', known, (head) => head.oldVersion)
  b.ctes.push(`locked as (
  select w.stream_id from unnest(${ids}, ${versions}) w(stream_id, version)
   cross join lateral (
     select from streams s
      where s.tenant_id = ${tenant} and s.stream_id = w.stream_id and s.version = w.version
        for update skip locked) s)`)
  b.ctes.push(`all_locked as (
  select (select count(*) from locked) = cardinality(${ids}) as ok)`)
  const boxes = boxedAgents(plan)
  if (boxes.length > 0) box(b, plan, tenant, boxes)
  const held = boxes.length > 0 ? ` and (select count(*) from box) = (select count from boxes)` : ''
  b.ctes.push(`ok as (select 1 where (select ok from all_locked)${held})`)
  return { ids, versions }
}

function isMoved({ stream, oldVersion }: Head): boolean {
  return stream.version > oldVersion
}

/** @param from ids and versions of the heads as `lock` has them: they are sent once. */
function move(b: Builder, tenant: string, known: readonly Head[], from: string): void {
  const text = (head: Head) => (isMoved(head) ? textOf(head.stream.state) : null)
  b.part(
    'move',
    `moved as (
  update streams s set version = w.new_version, hash = w.hash, value = w.value, length = w.length
    from (select ${tenant} as tenant_id, m.* from ok, unnest(
            ${from}, ${b.column('int', known, (h) => h.stream.version)}, ${b.column('bytea', known, (h) => h.stream.hash)},
            ${b.column('text', known, text)}, ${b.column('int', known, (h) => lengthOf(h.stream.state))})
            m(stream_id, old_version, new_version, hash, value, length)
           where m.new_version > m.old_version offset 0) w
   where s.tenant_id = w.tenant_id and s.stream_id = w.stream_id and s.version = w.old_version
  returning 1)`,
  )
}

function open(b: Builder, tenant: string, fresh: readonly Head[]): void {
  b.part(
    'open heads',
    `fresh as (
  insert into streams (tenant_id, stream_id, kind, version, hash, value, length)
  select ${tenant}, n.* from ok, unnest(
      ${b.column('text', fresh, (h) => h.stream.streamId)}, ${b.column('text', fresh, (h) => streamKind(h.stream.streamId))},
      ${b.column('int', fresh, (h) => h.stream.version)}, ${b.column('bytea', fresh, (h) => h.stream.hash)},
      ${b.column('text', fresh, (h) => textOf(h.stream.state))}, ${b.column('int', fresh, (h) => lengthOf(h.stream.state))})
    n(stream_id, kind, version, hash, value, length)
   order by n.stream_id
  returning 1)`,
  )
}

type Boxed = Pick<MailboxFence, 'agentId' | 'epoch' | 'owner' | 'pendingMax'>

/** Fences first, so that a place in the answer names a fence; then mailboxes about to change. */
function boxedAgents(plan: Plan): Boxed[] {
  const changed = [...plan.mailboxes]
    .filter(([, box]) => !box.open)
    .map(([agentId]) => ({ agentId, epoch: null, owner: null, pendingMax: null }))
  return [...plan.fences, ...changed]
}

/** `no key update`, not `share`: the same statement may change the row, and two sharers would deadlock. */
function box(b: Builder, plan: Plan, tenant: string, boxes: readonly Boxed[]): void {
  const agents = b.column('text', boxes, (x) => x.agentId)
  const epochs = b.column('bigint', boxes, (x) => x.epoch)
  const owners = b.column('text', boxes, (x) => x.owner)
  const rooms = b.column('int', boxes, (x) => x.pendingMax)
  b.ctes.push(`boxes as (select cardinality(${agents}) as count)`)
  b.ctes.push(`fences as (select ${b.value(plan.fences.length, 'int')} as count)`)
  b.part(
    'box',
    `box as (
  select b.n from (
    select * from unnest(${agents}, ${epochs}, ${owners}, ${rooms}) with ordinality b(agent_id, epoch, owner, room, n)
     where (select ok from all_locked)
     order by agent_id) b
   cross join lateral (
     select from mailboxes m
      where m.tenant_id = ${tenant} and m.agent_id = b.agent_id
        and m.epoch = coalesce(b.epoch, m.epoch) and (b.owner is null or m.owner = b.owner)
        and m.pending <= coalesce(b.room, m.pending)
        for no key update) m)`,
  )
}

/**
 * What many events have in common is sent once, and the parts of a link in one piece: each column less
 * is a list less that the server unpacks and puts together again.
 */
function events(b: Builder, plan: Plan, tenant: string, moves: boolean, opens: boolean): void {
  const all = plan.events
  const written = [
    ...(moves ? ['(select count(*) from moved)'] : []),
    ...(opens ? ['(select count(*) from fresh)'] : []),
  ]
  const heads = b.value([...plan.heads.values()].filter(isMoved).length, 'int')
  const { all: contexts, places } = new EventContexts(all)
  const context = (type: ElementType, of: (context: EventContext) => string | number | null) =>
    `(${b.column(type, contexts, of)})[e.context]`
  b.part(
    'events',
    `ins as (
  insert into events (tenant_id, stream_id, version, type, schema, actor, command_id, correlation, base_version,
                      recorded_at, payload, payload_hash, prev_hash, hash, salt)
  select ${tenant}, e.stream_id, e.version, ${context('text', (c) => c.type)}, ${context('smallint', (c) => c.schema)},
         ${context('json', (c) => c.actor)}, e.command_id, ${context('json', (c) => c.correlation)}, e.base_version,
         ${context('timestamptz', (c) => c.recordedAt)}, e.payload, substring(e.link, 1, 32), substring(e.link, 33, 32),
         substring(e.link, 65, 32), nullif(substring(e.link, 97), '')
    from (select ${written.join(' + ')} as count) heads,
         unnest(${b.column('text', all, (e) => e.event.streamId)}, ${b.column('int', all, (e) => e.event.version)},
         ${b.column('smallint', places, (place) => place)}, ${b.column('text', all, (e) => e.event.commandId)},
         ${b.column('int', all, (e) => e.event.baseVersion)}, ${b.column('json', all, (e) => e.payload)},
         ${b.column('bytea', all, ({ link }) => [link.payloadHash, link.prevHash, link.hash, link.salt ?? ERASED])})
         with ordinality e(stream_id, version, context, command_id, base_version, payload, link, ord)
   where heads.count = ${heads}
   order by e.ord)`,
  )
}

function results(b: Builder, plan: Plan, tenant: string): void {
  const all = plan.results
  b.part(
    'results',
    `res as (
  insert into command_results (tenant_id, command_id, stream_id, fingerprint, verdict, version, facts, kept_until)
  select ${tenant}, c.* from ok, unnest(
      ${b.column('text', all, (r) => r.commandId)}, ${b.column('text', all, (r) => r.streamId)},
      ${b.column('bytea', all, (r) => r.fingerprint)}, ${b.column('text', all, (r) => r.verdict)},
      ${b.column('int', all, (r) => r.version)}, ${b.column('json', all, (r) => r.facts)},
      ${b.column('timestamptz', all, (r) => r.keptUntil)})
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
