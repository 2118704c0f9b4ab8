import type { AgentState } from '#domain/agent.js'
import { type BlockState, withPast } from '#domain/block-state.js'
import { ERRORS, type Rejection } from '#domain/errors.js'
import { streamKind } from '#domain/event.js'
import { type AnyState, type Append, evolve } from '#domain/streams.js'
import type { TurnState } from '#domain/turn.js'
import { type Header, link } from './chain.js'
import {
  addEvent,
  addRow,
  type EventRow,
  type PendingUnit,
  type Plan,
  type ResultRow,
} from './plan.js'
import type { FoldedStream } from './stream-reader.js'
import type { Project, RowChange, States, StreamEvent, Wanted } from './unit.js'

/** The version of the payloads' shapes that is written. */
const SCHEMA = 1
const REJECTION_KEPT_DAYS = 30
/** Behind the id of a unit that was accepted, for what was refused within it. */
export const REFUSED_PART = '/refused'
const NO_FINGERPRINT = Buffer.alloc(0)

/**
 * Decides a unit on the states the units before it leave.
 *
 * @returns what it needs besides, to be read before it is decided again; else null.
 * @throws what deciding threw. The plan then is as it was, as it is when more is needed.
 */
export function decideUnit(plan: Plan, pending: PendingUnit, project: Project): Wanted | null {
  const { unit } = pending
  const found = new Map<string, FoldedStream>()
  for (const id of pending.streams) found.set(id, stateIn(plan, pending, id))
  const decision = unit.decide(new UnitStates(found), plan.now)
  if ('needs' in decision || 'since' in decision) return decision
  if ('rejection' in decision) {
    refuse(plan, pending, decision.rejection, found)
    return null
  }
  const left = new Map<string, FoldedStream>()
  const rows: EventRow[] = []
  const changes: RowChange[] = []
  for (const append of decision.appends) {
    const from = left.get(append.streamId) ?? found.get(append.streamId)
    if (!from) throw new Error(`unit wrote to ${append.streamId}, which it did not name`)
    const row = eventRow(pending, append, from, plan.now)
    const state = evolve(from.state, row.event)
    changes.push(...project(row.event, state))
    left.set(append.streamId, {
      streamId: from.streamId,
      version: row.event.version,
      hash: row.link.hash,
      state,
      snapshotVersion: from.snapshotVersion,
      pendingBytes: from.pendingBytes + Buffer.byteLength(row.payload ?? ''),
    })
    rows.push(row)
  }
  fenceClaim(plan, pending)
  fenceRoom(plan, pending)
  for (const row of rows) addEvent(plan, row)
  for (const change of changes) addRow(plan, change)
  for (const [id, before] of found) touch(plan, before, left.get(id) ?? before)
  const { result } = decision
  const events = rows.map((row) => row.event)
  plan.verdicts.set(pending, { status: 'ok', result, replayed: false, events })
  if (unit.command) accept(plan, pending, unit.command.fingerprint, result)
  if (decision.refused && isStored(decision.refused.rejection)) {
    const { streamId, rejection } = decision.refused
    const judgedAt = rejection.atVersion ?? found.get(streamId)?.version ?? 0
    plan.results.push(refusedPart(pending, streamId, rejection, judgedAt, plan.now))
  }
  return null
}

/** The unit is written only under the newest claim of its agent. */
function fenceClaim(plan: Plan, unit: PendingUnit): void {
  const { fence } = unit.unit
  if (!fence) return
  const { owner = null } = fence
  plan.fences.push({ ...fence, owner, pendingMax: null, unit, otherwise: { status: 'fenced' } })
}

/** The unit is written only while the mailbox has room for the turn it queues. */
function fenceRoom(plan: Plan, unit: PendingUnit): void {
  const { room } = unit.unit
  const box = plan.mailboxes.get(room?.agentId ?? '')
  if (!room || box?.open) return
  const { agentId, rejection } = room
  const otherwise = { status: 'rejected', rejection, replayed: false } as const
  // What the units before it queue is not in the table yet.
  const pendingMax = room.pendingMax - (box?.pending ?? 0)
  plan.fences.push({ agentId, epoch: null, owner: null, pendingMax, unit, otherwise })
}

function stateIn(plan: Plan, pending: PendingUnit, id: string): FoldedStream {
  const stream = plan.states.get(id) ?? plan.base(id) ?? pending.read.get(id)
  if (!stream) throw new Error(`unit decided on ${id}, which was not read for it`)
  const past = pending.pasts.get(id)
  return past ? { ...stream, state: withPast(stream.state as BlockState, past) } : stream
}

function accept(plan: Plan, pending: PendingUnit, fingerprint: Buffer, result: unknown): void {
  const streamId = pending.streams[0] as string
  const facts = JSON.stringify(result ?? null)
  plan.bytes += facts.length
  plan.results.push({
    commandId: pending.commandId,
    streamId,
    fingerprint,
    verdict: 'ok',
    version: plan.states.get(streamId)?.version ?? 0,
    facts,
    keptUntil: null,
  })
}

/**
 * A refusal is judged at a version the commit confirms, so a stale cache never refuses; nor does a claim
 * that was lost: it is fenced, and its refusal must not be stored as the answer to whoever has the claim.
 */
function refuse(
  plan: Plan,
  pending: PendingUnit,
  rejection: Rejection,
  found: ReadonlyMap<string, FoldedStream>,
): void {
  plan.verdicts.set(pending, { status: 'rejected', rejection, replayed: false })
  fenceClaim(plan, pending)
  if (!isStored(rejection)) return
  for (const stream of found.values()) touch(plan, stream, stream)
  const judgedAt = rejection.atVersion ?? found.get(pending.streams[0] as string)?.version ?? 0
  plan.results.push(rejected(pending, rejection, judgedAt, plan.now))
}

/** Puts a head into the statement, or moves it on. Streams that do not exist yet have nothing to compare. */
function touch(plan: Plan, before: FoldedStream, after: FoldedStream): void {
  if (after.version === 0) return
  plan.states.set(after.streamId, after)
  const known = plan.heads.get(after.streamId)
  plan.heads.set(after.streamId, { stream: after, oldVersion: known?.oldVersion ?? before.version })
}

function eventRow(pending: PendingUnit, append: Append, from: FoldedStream, now: string): EventRow {
  const { unit, commandId } = pending
  const event = {
    type: append.event.type,
    payload: append.event.payload,
    tenantId: unit.tenantId,
    streamId: append.streamId,
    version: from.version + 1,
    actor: unit.actor,
    commandId,
    correlation: unit.correlation ?? null,
    baseVersion: append.baseVersion ?? null,
    recordedAt: now,
  }
  const payload = JSON.stringify(event.payload)
  // Named one by one: V8 gives each copy by `...` a shape of its own, and then looks every field up.
  const header: Header = {
    tenantId: event.tenantId,
    streamId: event.streamId,
    version: event.version,
    type: event.type,
    schema: SCHEMA,
    actor: event.actor,
    commandId,
    correlation: event.correlation,
    baseVersion: event.baseVersion,
    recordedAt: now,
  }
  const hashed = link(from.hash, payload, header)
  return { event: event as StreamEvent, schema: SCHEMA, payload, link: hashed }
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
  judgedAt: number,
  now: string,
): ResultRow {
  const { command } = pending.unit
  const row = refusedPart(pending, pending.streams[0] as string, rejection, judgedAt, now)
  const { commandId } = pending
  if (!command) return { ...row, commandId }
  return { ...row, commandId, fingerprint: command.fingerprint, keptUntil: null }
}

/** A refusal within a unit that was accepted. It is nobody's answer: it is kept to be listed. */
function refusedPart(
  pending: PendingUnit,
  streamId: string,
  rejection: Rejection,
  judgedAt: number,
  now: string,
): ResultRow {
  return {
    commandId: `${pending.commandId}${REFUSED_PART}`,
    streamId,
    fingerprint: NO_FINGERPRINT,
    verdict: 'rejected',
    version: judgedAt,
    facts: JSON.stringify({ ...rejection, actor: pending.unit.actor }),
    keptUntil: new Date(Date.parse(now) + REJECTION_KEPT_DAYS * 86_400_000).toISOString(),
  }
}

class UnitStates implements States {
  constructor(private readonly found: ReadonlyMap<string, FoldedStream>) {}

  has(id: string): boolean {
    return this.found.has(id)
  }

  block(id: string): BlockState {
    return this.#state(id, 'block') as BlockState
  }

  agent(id: string): AgentState {
    return this.#state(id, 'agent') as AgentState
  }

  turn(id: string): TurnState {
    return this.#state(id, 'turn') as TurnState
  }

  #state(id: string, kind: string): AnyState {
    if (streamKind(id) !== kind) throw new Error(`${id} is no ${kind}`)
    const stream = this.found.get(id)
    if (!stream) throw new Error(`unit decided on ${id}, which it did not name`)
    return stream.state
  }
}
