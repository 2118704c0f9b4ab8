import { randomUUID } from 'node:crypto'
import type { BlockPast } from '#domain/block-memory.js'
import { KEYS } from '#postgres/tables.js'
import type { Link } from './chain.js'
import type { FoldedStream } from './stream-reader.js'
import type { RowChange, StreamEvent, Unit, Verdict } from './unit.js'

/** A unit on its way: with the streams that were read for it and what it tried before. */
export interface PendingUnit {
  readonly unit: Unit<unknown>
  readonly commandId: string
  /** Streams of the unit, those asked for by `needs` included. */
  streams: readonly string[]
  /** What was read when they were not cached. */
  readonly read: Map<string, FoldedStream>
  /** What was read of the past of blocks, where their states did not remember it. */
  readonly pasts: Map<string, BlockPast>
  pastsRead: number
  /** First events of attempts whose outcome is unknown: the connection broke before the answer. */
  readonly attempts: {
    readonly event: StreamEvent
    readonly hash: Buffer
    readonly verdict: Verdict<unknown>
  }[]
  readonly resolve: (verdict: Verdict<unknown>) => void
  readonly reject: (error: unknown) => void
}

export function pendingUnit<T>(
  unit: Unit<T>,
  resolve: (verdict: Verdict<T>) => void,
  reject: (error: unknown) => void,
): PendingUnit {
  return {
    unit: unit as Unit<unknown>,
    commandId: unit.command?.id ?? `cmd-${randomUUID()}`,
    streams: unit.streams,
    read: new Map(),
    pasts: new Map(),
    pastsRead: 0,
    attempts: [],
    resolve: resolve as (verdict: Verdict<unknown>) => void,
    reject,
  }
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
  readonly schema: number
  /** Payload and salt are null once erased. */
  readonly payload: string | null
  readonly link: Omit<Link, 'salt'> & { readonly salt: Buffer | null }
}

export interface MailboxChange {
  /** The row is to be made. */
  open: boolean
  /** Turns that get their `seq`. */
  queued: number
  /** By how many more, or fewer, turns have not ended. */
  pending: number
  /** Nobody may claim it before this time; `-infinity`: from now on anybody may; `infinity`: nobody. */
  notBefore: string | null
}

/** What a mailbox must be like for a unit to be written, and what its caller hears otherwise. */
export interface MailboxFence {
  readonly agentId: string
  readonly epoch: number | null
  readonly owner: string | null
  readonly pendingMax: number | null
  readonly unit: PendingUnit
  readonly otherwise: Verdict<never>
}

/** Everything one statement writes, decided on `heads`. */
export interface Plan {
  readonly tenantId: string
  /** Time of its events, UTC ISO-8601 with milliseconds and Z. */
  readonly now: string
  /** The states its units leave, on top of those of `base`. */
  readonly states: Map<string, FoldedStream>
  readonly base: (streamId: string) => FoldedStream | undefined
  readonly heads: Map<string, Head>
  readonly events: EventRow[]
  readonly results: ResultRow[]
  readonly rows: Map<string, RowChange>
  /** What changes in mailboxes, by agent. */
  readonly mailboxes: Map<string, MailboxChange>
  /** Runs queued by this group, in order: their `seq` is handed out by the statement. */
  readonly queued: string[]
  readonly fences: MailboxFence[]
  readonly verdicts: Map<PendingUnit, Verdict<unknown>>
  /** Of payloads and results. */
  bytes: number
}

/** Limits of one flush. A unit larger than that goes alone. */
const GROUP_UNITS_MAX = 256
const GROUP_BYTES_MAX = 1_048_576

/**
 * @param base states the first unit finds, where they are known; else what was read for it counts.
 */
export function openPlan(tenantId: string, base: Plan['base']): Plan {
  return {
    tenantId,
    now: new Date().toISOString(),
    states: new Map(),
    base,
    heads: new Map(),
    events: [],
    results: [],
    rows: new Map(),
    mailboxes: new Map(),
    queued: [],
    fences: [],
    verdicts: new Map(),
    bytes: 0,
  }
}

export function addEvent(plan: Plan, row: EventRow): void {
  plan.events.push(row)
  plan.bytes += row.payload?.length ?? 0
}

/** Rows are folded: each occurs once, in its final state. */
export function addRow(plan: Plan, change: RowChange): void {
  if ('mailbox' in change) {
    const untouched = { open: false, queued: 0, pending: 0, notBefore: null }
    const box = plan.mailboxes.get(change.agentId) ?? untouched
    changeMailbox(box, change)
    if (change.mailbox === 'queued') plan.queued.push(change.runId)
    plan.mailboxes.set(change.agentId, box)
    return
  }
  const row = ('put' in change ? change.put : change.remove) as unknown as Record<string, unknown>
  const key = KEYS[change.table].map((column) => row[column]).join('/')
  plan.rows.set(`${change.table}/${key}`, change)
}

/** Before the year 1: every time is later. */
const ANY_TIME = '-infinity'
/** After every time. */
const NEVER = 'infinity'

function changeMailbox(box: MailboxChange, change: Extract<RowChange, { mailbox: string }>): void {
  switch (change.mailbox) {
    case 'open':
      box.open = true
      return
    case 'queued':
      box.queued += 1
      box.pending += 1
      return
    case 'requeued':
      box.pending += 1
      return
    case 'ended':
      box.pending -= 1
      return
    case 'parked':
      box.notBefore = change.until ?? NEVER
      return
    case 'freed':
      box.notBefore = ANY_TIME
  }
}

export function isFull(plan: Plan): boolean {
  return plan.verdicts.size >= GROUP_UNITS_MAX || plan.bytes >= GROUP_BYTES_MAX
}

/** True when there is nothing for a statement to do: only refusals that are not stored, or nothing. */
export function isIdle(plan: Plan): boolean {
  return plan.heads.size === 0 && plan.results.length === 0 && plan.fences.length === 0
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
