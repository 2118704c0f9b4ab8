import { classify, type Fault } from './fault.js'
import { decideUnit } from './group.js'
import type { LaneConnection } from './lane-connection.js'
import { isIdle, openPlan, type PendingUnit, type Plan, rememberAttempts } from './plan.js'
import { scalarStatement } from './scalar-statement.js'
import type { SideLane } from './side-lane.js'
import type { StateCache } from './state-cache.js'
import { type Answer, groupStatement } from './statement.js'
import type { Project, Wanted } from './unit.js'

/** What becomes of units, as far as the writer must act on it. */
export interface Outcomes {
  /** Committed: these states hold now. */
  keep(plan: Plan): void
  /** After `keep`: tells the callers. */
  answer(plan: Plan): void
  readMore(pending: PendingUnit, wanted: Wanted): void
  giveUp(pending: PendingUnit, error: unknown): void
}

export interface FlightOptions {
  readonly project: Project
  readonly cache: StateCache
  readonly side: SideLane
  readonly outcomes: Outcomes
}

/** A unit that cannot be decided ends alone: the plan stays as it was. */
export function decideInto(plan: Plan, pending: PendingUnit, options: FlightOptions): void {
  try {
    const wanted = decideUnit(plan, pending, options.project)
    if (wanted) options.outcomes.readMore(pending, wanted)
  } catch (error) {
    options.outcomes.giveUp(pending, error)
  }
}

/** One flush: a plan on its way to the server, and what is left of it when it does not land as decided. */
export class Flight {
  constructor(
    readonly plan: Plan,
    readonly connection: LaneConnection,
    private readonly options: FlightOptions,
    /** Called at once when the flight does not land as decided. */
    private readonly onAstray: () => void,
  ) {}

  /** @returns true when all was written as decided: the plan's states are to be kept, its callers told. */
  async land(): Promise<boolean> {
    try {
      return await this.#write(this.plan)
    } catch (error) {
      // A fault of our own: nobody waits for ever.
      this.onAstray()
      for (const pending of this.plan.verdicts.keys()) this.options.outcomes.giveUp(pending, error)
      return false
    }
  }

  async #write(plan: Plan): Promise<boolean> {
    if (isIdle(plan)) return true
    const decided = [...plan.verdicts.keys()]
    let answer: Answer
    try {
      answer = await this.connection.send(scalarStatement(plan) ?? groupStatement(plan))
    } catch (error) {
      this.onAstray()
      await this.#failed(plan, decided, error)
      return false
    }
    if (answer.ok) return true
    this.onAstray()
    if (answer.lost.length > 0) {
      const lost = new Set(answer.lost)
      const isLost = (pending: PendingUnit): boolean => pending.streams.some((id) => lost.has(id))
      this.options.side.add(decided.filter(isLost), lost)
      await this.#writeAgain(decided.filter((pending) => !isLost(pending)))
    } else if (answer.fenced.length > 0) {
      const failed = answer.fenced.flatMap((n) => plan.fences[n - 1] ?? [])
      const fenced = new Set(failed.map(({ unit }) => unit))
      for (const { unit, otherwise } of failed) unit.resolve(otherwise)
      await this.#writeAgain(decided.filter((pending) => !fenced.has(pending)))
    } else await this.#split(decided, new Error('a mailbox is missing'))
    return false
  }

  /** Decides on the states that are committed. */
  async #writeAgain(units: readonly PendingUnit[]): Promise<void> {
    if (units.length === 0) return
    const { tenantId } = this.plan
    const plan = openPlan(tenantId, (id) => this.options.cache.get(tenantId, id))
    for (const pending of units) decideInto(plan, pending, this.options)
    if (!(await this.#write(plan))) return
    this.options.outcomes.keep(plan)
    this.options.outcomes.answer(plan)
  }

  async #failed(plan: Plan, units: readonly PendingUnit[], error: unknown): Promise<void> {
    const fault: Fault = classify(error)
    if (fault === 'outcome_unknown') {
      rememberAttempts(plan)
      this.options.side.add(units)
    } else if (fault === 'deadlock') await this.#writeAgain(units)
    else await this.#split(units, error)
  }

  /** Halves a failing group until the unit that fails is alone: it ends alone. */
  async #split(units: readonly PendingUnit[], error: unknown): Promise<void> {
    const [only] = units
    if (units.length > 1) {
      const half = units.length >> 1
      await this.#writeAgain(units.slice(0, half))
      await this.#writeAgain(units.slice(half))
    } else if (only) {
      if (classify(error) === 'duplicate') this.options.side.add([only])
      else this.options.outcomes.giveUp(only, error)
    }
  }
}
