import type { Pool } from 'pg'
import { rejection } from '#domain/errors.js'
import { storedVerdict } from './command-results.js'
import { classify } from './fault.js'
import type { Outcomes } from './flight.js'
import { KnownStreams } from './known-streams.js'
import { Lane } from './lane.js'
import { type PendingUnit, type Plan, pendingUnit } from './plan.js'
import { preview } from './preview.js'
import { SideLane } from './side-lane.js'
import { Snapshots } from './snapshots.js'
import { StateCache } from './state-cache.js'
import type { Project, StreamEvent, Unit, Verdict, Wanted } from './unit.js'
import { want } from './wanted.js'

const CACHED_STREAMS_MAX = 10_000
/** Of what the cached streams take together: some hundred of the longest texts, or thousands of turns. */
const CACHED_BYTES_MAX = 128 * 1024 * 1024

export interface WriterOptions {
  /** With `WRITER_CONNECTIONS` and `WRITER_SETTINGS`. */
  readonly writes: Pool
  readonly reads: Pool
  readonly project: Project
  /** After a commit, in process: a hint for whoever waits. Must not throw. */
  readonly onCommit?: (events: readonly StreamEvent[]) => void
}

/** Two for groups, one for the side lane. */
export const WRITER_CONNECTIONS = 3

/**
 * Session settings the writer's connections need. The plan is made once, when the tables may be empty:
 * it must be the one for full tables, which finds every row by its whole key.
 */
export const WRITER_SETTINGS = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  enable_material: 'off',
  lock_timeout: '2000',
  idle_in_transaction_session_timeout: '500',
} as const

/**
 * The one way events are written. Units that arrive while a flush is under way are decided at once, on
 * the states it leaves, and form the next one; nobody waits for a timer. Units whose streams moved or
 * are locked elsewhere go to the side lane, so one busy stream holds up nobody else.
 */
export class Writer {
  /** For whoever reads what is soon written to. */
  readonly streams: KnownStreams
  readonly #cache = new StateCache(CACHED_STREAMS_MAX, CACHED_BYTES_MAX)
  readonly #lane: Lane
  readonly #side: SideLane
  readonly #snapshots: Snapshots
  #closed = false

  constructor(private readonly options: WriterOptions) {
    this.streams = new KnownStreams(options.reads, this.#cache)
    this.#snapshots = new Snapshots(options.reads)
    const outcomes: Outcomes = {
      keep: (plan) => this.#keep(plan),
      answer: (plan) => this.#answer(plan),
      readMore: (pending, wanted) => this.#readMore(pending, wanted),
      giveUp: (pending, error) => this.#giveUp(pending, error),
    }
    this.#side = new SideLane(options, this.#cache, outcomes)
    const { project, writes } = options
    this.#lane = new Lane(writes, { project, cache: this.#cache, side: this.#side, outcomes })
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
      this.#admit(pendingUnit(unit, resolve, reject))
    })
  }

  /**
   * What a unit would come to on the heads as they are now: nothing is written or stored, and no command id
   * is looked up.
   */
  async preview<T>(unit: Unit<T>): Promise<Verdict<T>> {
    return new Promise((resolve, reject) => {
      const pending = pendingUnit(unit, resolve, reject)
      preview(this.options.reads, pending, this.options.project).catch(reject)
    })
  }

  /** Lets what was submitted finish. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#lane.idle()
    await this.#side.idle()
    await this.#snapshots.idle()
  }

  /** Whatever a unit needs is read before it joins a group, never inside a flush. */
  #admit(pending: PendingUnit): void {
    const { tenantId } = pending.unit
    const unknown: string[] = []
    for (const id of pending.streams) {
      const stream = this.#cache.get(tenantId, id)
      if (stream) pending.read.set(id, stream)
      else unknown.push(id)
    }
    if (unknown.length === 0) {
      this.#enqueue(pending)
      return
    }
    this.streams.fold(tenantId, unknown).then(
      (streams) => {
        for (const [id, stream] of streams) pending.read.set(id, stream)
        this.#enqueue(pending)
      },
      (error) => this.#giveUp(pending, error),
    )
  }

  #enqueue(pending: PendingUnit): void {
    if (this.#side.isContended(pending)) this.#side.add([pending])
    else this.#lane.add(pending)
  }

  #readMore(pending: PendingUnit, wanted: Wanted): void {
    want(this.options.reads, pending, wanted).then(
      () => this.#admit(pending),
      (error) => this.#giveUp(pending, error),
    )
  }

  #keep(plan: Plan): void {
    for (const { stream } of plan.heads.values()) {
      this.#cache.put(plan.tenantId, stream)
      this.#snapshots.consider(plan.tenantId, stream)
    }
  }

  #answer(plan: Plan): void {
    for (const [pending, verdict] of plan.verdicts) this.#tell(pending, verdict, plan)
    if (plan.events.length > 0) this.options.onCommit?.(plan.events.map((row) => row.event))
  }

  /** A refusal that is not stored may still be a retry of something that was accepted once. */
  #tell(pending: PendingUnit, verdict: Verdict<unknown>, plan: Plan): void {
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
