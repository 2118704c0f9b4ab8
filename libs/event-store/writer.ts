import { setImmediate as endOfTurn } from 'node:timers/promises'
import type { Pool } from 'pg'
import { rejection } from '#domain/errors.js'
import { storedVerdict } from './command-results.js'
import { classify, type Fault } from './fault.js'
import {
  decideGroup,
  mintCommandId,
  type PendingUnit,
  type Plan,
  rememberAttempts,
} from './group.js'
import { scalarStatement } from './scalar-statement.js'
import { SideLane } from './side-lane.js'
import { Snapshots } from './snapshots.js'
import { StateCache } from './state-cache.js'
import { type Answer, groupStatement } from './statement.js'
import { foldStreams } from './stream-reader.js'
import type { Project, StreamEvent, Unit, Verdict } from './unit.js'

/** Limits of one flush. */
const GROUP_UNITS_MAX = 256
const CACHED_STREAMS_MAX = 10_000
/** Streams one unit may come to name: a block on thousands of agents is renamed in one commit. */
const STREAMS_MAX = 10_000

export interface WriterOptions {
  /** At least two connections with a short lock timeout: the lane and the side lane. */
  readonly writes: Pool
  readonly reads: Pool
  readonly project: Project
  /** After a commit, in process: a hint for whoever waits. Must not throw. */
  readonly onCommit?: (events: readonly StreamEvent[]) => void
}

/** Session settings the writer's connections need. */
export const WRITER_SETTINGS = {
  plan_cache_mode: 'force_generic_plan',
  lock_timeout: '2000',
  idle_in_transaction_session_timeout: '500',
} as const

/**
 * The one way events are written. Units that arrive while a flush is under way form the next one;
 * nobody waits for a timer. Units whose streams moved or are locked elsewhere go to the side lane, so
 * one busy stream holds up nobody else.
 */
export class Writer {
  readonly #queue: PendingUnit[] = []
  readonly #cache = new StateCache(CACHED_STREAMS_MAX)
  readonly #side: SideLane
  readonly #snapshots: Snapshots
  #flushing: Promise<void> | null = null
  #closed = false

  constructor(private readonly options: WriterOptions) {
    this.#snapshots = new Snapshots(options.reads)
    this.#side = new SideLane(options, this.#cache, (plan) => this.#settle(plan))
  }

  /**
   * Decides and commits a unit. A verdict other than an infrastructure error always comes: `ok` means
   * committed and flushed.
   */
  submit<T>(unit: Unit<T>): Promise<Verdict<T>> {
    return new Promise<Verdict<T>>((resolve, reject) => {
      if (this.#closed) {
        resolve({
          status: 'rejected',
          rejection: rejection('not_ready', 'The service is stopping'),
          replayed: false,
        })
        return
      }
      const pending: PendingUnit = {
        unit: unit as Unit<unknown>,
        commandId: unit.command?.id ?? mintCommandId(),
        streams: unit.streams,
        read: new Map(),
        attempts: [],
        resolve: resolve as (verdict: Verdict<unknown>) => void,
        reject,
      }
      this.#admit(pending)
    })
  }

  /** Lets what was submitted finish. */
  async close(): Promise<void> {
    this.#closed = true
    while (this.#flushing) await this.#flushing
    await this.#side.idle()
    await this.#snapshots.idle()
  }

  /** Whatever a unit needs is read before it joins a group, never inside a flush. */
  #admit(pending: PendingUnit): void {
    const { tenantId } = pending.unit
    const unknown = pending.streams.filter((id) => !this.#cache.get(tenantId, id))
    for (const id of pending.streams) {
      const stream = this.#cache.get(tenantId, id)
      if (stream) pending.read.set(id, stream)
    }
    if (unknown.length === 0) {
      this.#enqueue(pending)
      return
    }
    foldStreams(this.options.reads, tenantId, unknown).then(
      (streams) => {
        for (const [id, stream] of streams) {
          pending.read.set(id, stream)
          this.#cache.put(tenantId, stream)
        }
        this.#enqueue(pending)
      },
      (error) => this.#giveUp(pending, error),
    )
  }

  #enqueue(pending: PendingUnit): void {
    if (this.#side.isContended(pending)) {
      this.#side.add([pending])
      return
    }
    this.#queue.push(pending)
    this.#flushing ??= this.#drain()
  }

  /**
   * Ends in the same step in which it finds the queue empty, so no unit falls between two runs. Each
   * group waits for the end of the event loop's turn, which is no timer: callers who were answered
   * together ask again together, and go out as one group instead of one alone and the rest behind it.
   */
  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      await endOfTurn()
      await this.#flush(this.#nextGroup())
    }
    this.#flushing = null
  }

  /** The longest run of units of one tenant, at most a full group. */
  #nextGroup(): PendingUnit[] {
    const tenantId = this.#queue[0]?.unit.tenantId
    const others = this.#queue.findIndex((pending) => pending.unit.tenantId !== tenantId)
    const count = Math.min(GROUP_UNITS_MAX, others < 0 ? this.#queue.length : others)
    return this.#queue.splice(0, count)
  }

  async #flush(units: readonly PendingUnit[]): Promise<void> {
    if (units.length === 0) return
    let plan: Plan
    try {
      plan = this.#decide(units)
    } catch (error) {
      return this.#split(units, error)
    }
    for (const { unit, needs } of plan.wanting) this.#readMore(unit, needs)
    const decided = [...plan.verdicts.keys()]
    if (plan.heads.size === 0 && plan.results.length === 0) return this.#settle(plan)
    let answer: Answer
    try {
      const { rows } = await this.options.writes.query<Answer>(
        scalarStatement(plan) ?? groupStatement(plan),
      )
      answer = rows[0] as Answer
    } catch (error) {
      return this.#failed(plan, decided, error)
    }
    if (answer.ok) return this.#settle(plan)
    if (answer.lost.length > 0) {
      const lost = new Set(answer.lost)
      const isLost = (pending: PendingUnit): boolean => pending.streams.some((id) => lost.has(id))
      this.#side.add(decided.filter(isLost), lost)
      return this.#flush(decided.filter((pending) => !isLost(pending)))
    }
    if (answer.fenced.length === 0) return this.#split(decided, new Error('a mailbox is missing'))
    const fenced = new Set(answer.fenced.map((n) => plan.fences[n - 1]?.unit))
    for (const pending of fenced) pending?.resolve({ status: 'fenced' })
    return this.#flush(decided.filter((pending) => !fenced.has(pending)))
  }

  #decide(units: readonly PendingUnit[]): Plan {
    const tenantId = units[0]?.unit.tenantId as string
    const now = new Date().toISOString()
    return decideGroup(
      tenantId,
      units,
      (id) => this.#cache.get(tenantId, id),
      this.options.project,
      now,
    )
  }

  #readMore(pending: PendingUnit, needs: readonly string[]): void {
    pending.streams = [...new Set([...pending.streams, ...needs])]
    if (pending.streams.length > STREAMS_MAX) {
      pending.reject(new Error(`a unit names more than ${STREAMS_MAX} streams`))
      return
    }
    this.#admit(pending)
  }

  #settle(plan: Plan): void {
    for (const { stream } of plan.heads.values()) {
      this.#cache.put(plan.tenantId, stream)
      this.#snapshots.consider(plan.tenantId, stream)
    }
    for (const [pending, verdict] of plan.verdicts) this.#answer(pending, verdict, plan)
    if (plan.events.length > 0) this.options.onCommit?.(plan.events.map((row) => row.event))
  }

  /** A refusal that is not stored may still be a retry of something that was accepted once. */
  #answer(pending: PendingUnit, verdict: Verdict<unknown>, plan: Plan): void {
    const { command, tenantId } = pending.unit
    // The same id twice in one group: the row of the one that was accepted stores no refusal.
    const stores = plan.results.some(
      (row) => row.commandId === pending.commandId && row.verdict === 'rejected',
    )
    const unstored = verdict.status === 'rejected' && !stores
    if (!unstored || !command) {
      pending.resolve(verdict)
      return
    }
    storedVerdict(this.options.reads, tenantId, command).then(
      (stored) => pending.resolve(stored ?? verdict),
      (error) => this.#giveUp(pending, error),
    )
  }

  async #failed(plan: Plan, units: readonly PendingUnit[], error: unknown): Promise<void> {
    const fault: Fault = classify(error)
    if (fault === 'outcome_unknown') {
      rememberAttempts(plan)
      this.#side.add(units)
      return
    }
    if (fault === 'deadlock') return this.#flush(units)
    return this.#split(units, error)
  }

  /** Halves a failing group until the unit that fails is alone: it ends alone. */
  async #split(units: readonly PendingUnit[], error: unknown): Promise<void> {
    const [only] = units
    if (units.length > 1) {
      const half = units.length >> 1
      await this.#flush(units.slice(0, half))
      return this.#flush(units.slice(half))
    }
    if (!only) return
    if (classify(error) === 'duplicate') this.#side.add([only])
    else this.#giveUp(only, error)
  }

  #giveUp(pending: PendingUnit, error: unknown): void {
    const fault = classify(error)
    if (fault === 'bug' || fault === 'duplicate') pending.reject(error)
    else {
      const code = fault === 'locked' ? 'busy' : 'not_ready'
      const detail = fault === 'locked' ? 'The stream is busy' : 'The database does not answer'
      pending.resolve({ status: 'rejected', rejection: rejection(code, detail), replayed: false })
    }
  }
}
