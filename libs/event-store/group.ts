import { randomUUID } from 'node:crypto'
import type { AgentState } from '#domain/agent.js'
import type { BlockState } from '#domain/block-state.js'
import { ERRORS, type Rejection } from '#domain/errors.js'
import { streamKind } from '#domain/event.js'
import { type AnyState, type Append, evolve } from '#domain/streams.js'
import type { TurnState } from '#domain/turn.js'
import { type Header, type Link, link } from './chain.js'
import type { FoldedStream } from './stream-reader.js'
import type { Project, RowChange, States, StreamEvent, Unit, Verdict } from './unit.js'

/** A unit on its way: with the streams that were read for it and what it tried before. */
export interface PendingUnit {
  readonly unit: Unit<unknown>
  readonly commandId: string
  /** Streams of the unit, those asked for by `needs` included. */
  streams: readonly string[]
  /** What was read when they were not cached. */
  readonly read: Map<string, FoldedStream>
  /** First events of attempts whose outcome is unknown: the connection broke before the answer. */
  readonly attempts: {
    readonly event: StreamEvent
    readonly hash: Buffer
    readonly verdict: Verdict<unknown>
  }[]
  readonly resolve: (verdict: Verdict<unknown>) => void
  readonly reject: (error: unknown) => void
}

/** Head of a stream as the statement compares and writes it. Equal versions: check only. */
export interface Head {
  readonly stream: FoldedStream
  readonly oldVersion: number
}

export interface ResultRow {
  readonly commandId: string
  readonly streamId: string
  readonly fingerprint: Buffer
  readonly verdict: 'ok' | 'rejected'
  readonly version: number
  readonly facts: string
  readonly keptUntil: string | null
}

export interface EventRow {
  readonly event: StreamEvent
  readonly link: Link
  readonly payload: string
  readonly schema: number
}

/** Everything one statement writes, decided on `heads`. */
export interface Plan {
  readonly tenantId: string
  readonly heads: Map<string, Head>
  readonly events: EventRow[]
  readonly results: ResultRow[]
  readonly rows: Map<string, RowChange>
  /** Mailboxes by agent: turns queued and ended, and whether the row is to be made. */
  readonly mailboxes: Map<string, { open: boolean; queued: number; ended: number }>
  /** Runs queued by this group, in order: their `seq` is handed out by the statement. */
  readonly queued: string[]
  readonly fences: {
    readonly agentId: string
    readonly epoch: number
    readonly unit: PendingUnit
  }[]
  readonly verdicts: Map<PendingUnit, Verdict<unknown>>
  /** Units that asked for more streams: not in the statement. */
  readonly wanting: { readonly unit: PendingUnit; readonly needs: readonly string[] }[]
}

const SCHEMA = 1
const REJECTION_KEPT_DAYS = 30
const NO_FINGERPRINT = Buffer.alloc(0)

/** Decides units one after another, each on the states the ones before it leave. */
export function decideGroup(
  tenantId: string,
  units: readonly PendingUnit[],
  cached: (streamId: string) => FoldedStream | undefined,
  project: Project,
  now: string,
): Plan {
  const plan: Plan = {
    tenantId,
    heads: new Map(),
    events: [],
    results: [],
    rows: new Map(),
    mailboxes: new Map(),
    queued: [],
    fences: [],
    verdicts: new Map(),
    wanting: [],
  }
  const working = new Map<string, FoldedStream>()
  for (const pending of units) {
    const current = (id: string): FoldedStream => {
      const stream = working.get(id) ?? cached(id) ?? pending.read.get(id)
      if (!stream) throw new Error(`unit decided on ${id}, which it did not name`)
      return stream
    }
    decideUnit(plan, pending, current, working, project, now)
  }
  return plan
}

function decideUnit(
  plan: Plan,
  pending: PendingUnit,
  current: (id: string) => FoldedStream,
  working: Map<string, FoldedStream>,
  project: Project,
  now: string,
): void {
  const { unit } = pending
  const decision = unit.decide(statesOf(pending, current), now)
  if ('needs' in decision) {
    plan.wanting.push({ unit: pending, needs: decision.needs })
    return
  }
  if ('rejection' in decision) {
    const { rejection } = decision
    plan.verdicts.set(pending, { status: 'rejected', rejection, replayed: false })
    if (!isStored(rejection)) return
    confirm(plan, pending, current)
    plan.results.push(rejected(pending, rejection, current, now))
    return
  }
  const events: StreamEvent[] = []
  const before = new Map(pending.streams.map((id) => [id, current(id)]))
  for (const append of decision.appends) {
    if (!before.has(append.streamId))
      throw new Error(`unit wrote to ${append.streamId}, which it did not name`)
    const from = current(append.streamId)
    const row = eventRow(pending, append, from, now)
    const state = evolve(from.state, row.event)
    const pendingBytes = from.pendingBytes + Buffer.byteLength(row.payload)
    const { version } = row.event
    working.set(append.streamId, { ...from, version, hash: row.link.hash, state, pendingBytes })
    plan.events.push(row)
    events.push(row.event)
    for (const change of project(row.event, from.state, state)) addRow(plan, change)
  }
  for (const [id, stream] of before) touch(plan, stream, current(id))
  if (unit.fence) plan.fences.push({ ...unit.fence, unit: pending })
  const { result } = decision
  plan.verdicts.set(pending, { status: 'ok', result, replayed: false, events })
  if (unit.command) {
    const streamId = pending.streams[0] as string
    plan.results.push({
      commandId: pending.commandId,
      streamId,
      fingerprint: unit.command.fingerprint,
      verdict: 'ok',
      version: current(streamId).version,
      facts: JSON.stringify(result ?? null),
      keptUntil: null,
    })
  }
}

/** A refusal is judged at a version the commit confirms, so a stale cache never refuses. */
function confirm(plan: Plan, pending: PendingUnit, current: (id: string) => FoldedStream): void {
  for (const id of pending.streams) touch(plan, current(id), current(id))
}

/** Puts a head into the statement, or moves it on. Streams that do not exist yet have nothing to compare. */
function touch(plan: Plan, before: FoldedStream, after: FoldedStream): void {
  if (after.version === 0) return
  const known = plan.heads.get(after.streamId)
  plan.heads.set(after.streamId, { stream: after, oldVersion: known?.oldVersion ?? before.version })
}

function eventRow(pending: PendingUnit, append: Append, from: FoldedStream, now: string): EventRow {
  const { unit, commandId } = pending
  const version = from.version + 1
  const event: StreamEvent = {
    ...append.event,
    tenantId: unit.tenantId,
    streamId: append.streamId,
    version,
    actor: unit.actor,
    commandId,
    correlation: unit.correlation ?? null,
    baseVersion: append.baseVersion ?? null,
    recordedAt: now,
  }
  const header: Header = {
    tenantId: event.tenantId,
    streamId: event.streamId,
    version,
    type: event.type,
    schema: SCHEMA,
    actor: event.actor,
    commandId,
    correlation: event.correlation,
    baseVersion: event.baseVersion,
    recordedAt: now,
  }
  const payload = JSON.stringify(event.payload)
  return { event, payload, schema: SCHEMA, link: link(from.hash, payload, header) }
}

/** Never stored: refusals about a stream that does not exist, and those that a later try may not meet. */
function isStored(rejection: Rejection): boolean {
  const { status, retry } = ERRORS[rejection.code]
  const about404 = status === 404 && rejection.code !== 'gone' && rejection.code !== 'not_attached'
  return !retry && !about404 && rejection.code !== 'already_exists'
}

function rejected(
  pending: PendingUnit,
  rejection: Rejection,
  current: (id: string) => FoldedStream,
  now: string,
): ResultRow {
  const { command } = pending.unit
  const streamId = pending.streams[0] as string
  const kept = new Date(Date.parse(now) + REJECTION_KEPT_DAYS * 86_400_000).toISOString()
  return {
    commandId: pending.commandId,
    streamId,
    fingerprint: command?.fingerprint ?? NO_FINGERPRINT,
    verdict: 'rejected',
    version: rejection.atVersion ?? current(streamId).version,
    facts: JSON.stringify({ ...rejection, actor: pending.unit.actor }),
    keptUntil: command ? null : kept,
  }
}

/** Rows are folded: each occurs once, in its final state. */
function addRow(plan: Plan, change: RowChange): void {
  if ('mailbox' in change) {
    const box = plan.mailboxes.get(change.agentId) ?? { open: false, queued: 0, ended: 0 }
    if (change.mailbox === 'open') box.open = true
    else box[change.mailbox] += 1
    if (change.mailbox === 'queued') plan.queued.push(change.runId)
    plan.mailboxes.set(change.agentId, box)
    return
  }
  plan.rows.set(rowKey(change), change)
}

function rowKey(change: Exclude<RowChange, { mailbox: unknown }>): string {
  const row = ('put' in change ? change.put : change.remove) as unknown as Record<string, unknown>
  switch (change.table) {
    case 'attachments':
      return `attachments/${row.agent_id}/${row.block_id}`
    case 'steps':
      return `steps/${row.run_id}/${row.step}/${row.tool_call_id}`
    default:
      return `${change.table}/${row.block_id ?? row.message_id ?? row.run_id ?? row.agent_id}`
  }
}

function statesOf(pending: PendingUnit, current: (id: string) => FoldedStream): States {
  const state = (id: string, kind: string): AnyState => {
    if (streamKind(id) !== kind) throw new Error(`${id} is no ${kind}`)
    return current(id).state
  }
  return {
    has: (id) => pending.streams.includes(id),
    block: (id) => state(id, 'block') as BlockState,
    agent: (id) => state(id, 'agent') as AgentState,
    turn: (id) => state(id, 'turn') as TurnState,
  }
}

/**
 * Notes what a plan would have written, for when its answer is lost: the hash of a unit's first event
 * later tells whether it was.
 */
export function rememberAttempts(plan: Plan): void {
  for (const [pending, verdict] of plan.verdicts) {
    const row = plan.events.find(({ event }) => event.commandId === pending.commandId)
    if (row) pending.attempts.push({ event: row.event, hash: row.link.hash, verdict })
  }
}

/** An id for a command whose caller gave none. */
export function mintCommandId(): string {
  return `cmd-${randomUUID()}`
}
