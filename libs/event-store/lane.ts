import type { Pool } from 'pg'
import { classify, type Fault } from './fault.js'
import { decideUnit } from './group.js'
import { LaneConnection } from './lane-connection.js'
import { isFull, isIdle, openPlan, type PendingUnit, type Plan, rememberAttempts } from './plan.js'
import { scalarStatement } from './scalar-statement.js'
import type { SideLane } from './side-lane.js'
import type { StateCache } from './state-cache.js'
import { type Answer, groupStatement } from './statement.js'
import type { Project } from './unit.js'

/**
 * Units with which a group goes out before the turn of the event loop ends: those behind it are decided
 * while the server writes it.
 */
const UNITS_WORTH_SENDING = 64

/** What the lane leaves to the writer. */
export interface Outcomes {
  /** Committed: these states hold now. */
  keep(plan: Plan): void
  /** After `keep`: tells the callers. */
  answer(plan: Plan): void
  readMore(pending: PendingUnit, needs: readonly string[]): void
  giveUp(pending: PendingUnit, error: unknown): void
}

interface Options {
  readonly writes: Pool
  readonly project: Project
}

/**
 * One flush at a time. Units that arrive meanwhile are decided at once, on the states the flush will
 * leave, and go out as soon as it has landed. When it lands otherwise they are decided again: deciding
 * is pure, and nothing of it was told to anybody.
 */
export class Lane {
  /** Not decided: what does not fit into the open plan. */
  #waiting: PendingUnit[] = []
  /** Decided, on the states the flight leaves if all goes as decided. */
  #open: Plan | null = null
  #flight: Plan | null = null
  /** While a flight that did not go as decided is taken apart, nothing is decided on its states. */
  #astray = false
  #launching = false
  #idle: (() => void)[] = []
  readonly #connection: LaneConnection

  constructor(
    private readonly options: Options,
    private readonly cache: StateCache,
    private readonly side: SideLane,
    private readonly outcomes: Outcomes,
  ) {
    this.#connection = new LaneConnection(options.writes)
  }

  add(pending: PendingUnit): void {
    this.#waiting.push(pending)
    this.#decideWaiting()
    if (this.#flight) return
    if (this.#open && this.#open.verdicts.size >= UNITS_WORTH_SENDING) this.#launch()
    else this.#launchAtEndOfTurn()
  }

  /** Waits until all that was added is finished. */
  async idle(): Promise<void> {
    if (this.#isBusy()) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  #isBusy(): boolean {
    return this.#flight !== null || this.#open !== null || this.#waiting.length > 0
  }

  /** In order, into the open plan, until that is full or another tenant's turn comes. */
  #decideWaiting(): void {
    if (this.#astray) return
    for (;;) {
      const [pending] = this.#waiting
      if (!pending) return
      const { tenantId } = pending.unit
      this.#open ??= openPlan(tenantId, this.#statesAhead(tenantId))
      if (this.#open.tenantId !== tenantId || isFull(this.#open)) return
      this.#waiting.shift()
      this.#decide(this.#open, pending)
    }
  }

  #statesAhead(tenantId: string): Plan['base'] {
    const states = this.#flight?.tenantId === tenantId ? this.#flight.states : null
    return (id) => states?.get(id) ?? this.cache.get(tenantId, id)
  }

  /** A unit that cannot be decided ends alone: the plan stays as it was. */
  #decide(plan: Plan, pending: PendingUnit): void {
    try {
      const needs = decideUnit(plan, pending, this.options.project)
      if (needs.length > 0) this.outcomes.readMore(pending, needs)
    } catch (error) {
      this.outcomes.giveUp(pending, error)
    }
  }

  /**
   * The end of the event loop's turn is no timer: callers who were answered together ask again
   * together, and go out as one group instead of one alone and the rest behind it.
   */
  #launchAtEndOfTurn(): void {
    if (this.#launching) return
    this.#launching = true
    setImmediate(() => {
      this.#launching = false
      if (this.#isBusy()) this.#launch()
      else this.#rest()
    })
  }

  #launch(): void {
    const plan = this.#open
    if (this.#flight || !plan) return
    this.#open = null
    this.#flight = plan
    void this.#fly(plan)
    this.#decideWaiting()
  }

  async #fly(plan: Plan): Promise<void> {
    try {
      const landed = await this.#write(plan)
      if (landed) return this.#landed(plan)
    } catch (error) {
      // A bug of the lane's own: nobody waits for ever.
      for (const pending of plan.verdicts.keys()) this.outcomes.giveUp(pending, error)
    }
    this.#goOn()
  }

  /** What was decided meanwhile goes out before anybody is answered, unless most come only then. */
  #landed(plan: Plan): void {
    this.outcomes.keep(plan)
    this.#flight = null
    const ahead = this.#open?.verdicts.size ?? 0
    if (2 * ahead >= plan.verdicts.size) this.#launch()
    this.outcomes.answer(plan)
    if (!this.#flight) this.#goOn()
  }

  #goOn(): void {
    this.#flight = null
    this.#astray = false
    this.#decideWaiting()
    this.#launchAtEndOfTurn()
  }

  #rest(): void {
    this.#connection.release()
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  /** The flight did not go as decided, so what was decided ahead of it waits to be decided again. */
  #takeBack(): void {
    this.#astray = true
    if (!this.#open) return
    this.#waiting = [...this.#open.verdicts.keys(), ...this.#waiting]
    this.#open = null
  }

  /** @returns true when all was written as decided: the plan's callers are still to be told. */
  async #write(plan: Plan): Promise<boolean> {
    if (isIdle(plan)) return true
    const decided = [...plan.verdicts.keys()]
    let answer: Answer
    try {
      answer = await this.#connection.send(scalarStatement(plan) ?? groupStatement(plan))
    } catch (error) {
      this.#takeBack()
      await this.#failed(plan, decided, error)
      return false
    }
    if (answer.ok) return true
    this.#takeBack()
    if (answer.lost.length > 0) {
      const lost = new Set(answer.lost)
      const isLost = (pending: PendingUnit): boolean => pending.streams.some((id) => lost.has(id))
      this.side.add(decided.filter(isLost), lost)
      await this.#writeAgain(decided.filter((pending) => !isLost(pending)))
    } else if (answer.fenced.length > 0) {
      const fenced = new Set(answer.fenced.map((n) => plan.fences[n - 1]?.unit))
      for (const pending of fenced) pending?.resolve({ status: 'fenced' })
      await this.#writeAgain(decided.filter((pending) => !fenced.has(pending)))
    } else await this.#split(decided, new Error('a mailbox is missing'))
    return false
  }

  /** Decides on the states that are committed. */
  async #writeAgain(units: readonly PendingUnit[]): Promise<void> {
    const [first] = units
    if (!first) return
    const { tenantId } = first.unit
    const plan = openPlan(tenantId, (id) => this.cache.get(tenantId, id))
    for (const pending of units) this.#decide(plan, pending)
    if (!(await this.#write(plan))) return
    this.outcomes.keep(plan)
    this.outcomes.answer(plan)
  }

  async #failed(plan: Plan, units: readonly PendingUnit[], error: unknown): Promise<void> {
    const fault: Fault = classify(error)
    if (fault === 'outcome_unknown') {
      rememberAttempts(plan)
      this.side.add(units)
      return
    }
    if (fault === 'deadlock') return this.#writeAgain(units)
    return this.#split(units, error)
  }

  /** Halves a failing group until the unit that fails is alone: it ends alone. */
  async #split(units: readonly PendingUnit[], error: unknown): Promise<void> {
    const [only] = units
    if (units.length > 1) {
      const half = units.length >> 1
      await this.#writeAgain(units.slice(0, half))
      return this.#writeAgain(units.slice(half))
    }
    if (!only) return
    if (classify(error) === 'duplicate') this.side.add([only])
    else this.outcomes.giveUp(only, error)
  }
}
