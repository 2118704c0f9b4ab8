import type { Pool } from 'pg'
import { decideInto, Flight, type FlightOptions } from './flight.js'
import { LaneConnection } from './lane-connection.js'
import { isFull, openPlan, type PendingUnit, type Plan } from './plan.js'

/**
 * Units with which a group goes out before the turn of the event loop ends: those behind it are decided
 * while the server writes it.
 */
const UNITS_WORTH_SENDING = 64
/**
 * The same, where every unit is on streams of its own: those behind it need not even wait for it. With
 * more in the air a group must be as many: so two share the work, however much there is.
 */
const SPREAD_UNITS_WORTH_SENDING = 16

/**
 * Makes groups and flies them. Units that arrive while one is under way are decided at once, on the
 * states it will leave, and go out as soon as it has landed; a group that has no stream in common with
 * it does not wait. When a flight lands otherwise than decided, what was decided ahead of it is decided
 * again: deciding is pure, and nothing of it was told to anybody.
 */
export class Lane {
  /** Not decided: what does not fit into the open plan. */
  #waiting: PendingUnit[] = []
  /** Decided, on the states the flights leave if all goes as decided. */
  #open: Plan | null = null
  /** Flights whose states the open plan was decided on. */
  #ahead = new Set<Flight>()
  readonly #flights = new Set<Flight>()
  /** Flights that did not go as decided: while one is taken apart nothing is decided on its states. */
  readonly #astray = new Set<Flight>()
  readonly #connections: LaneConnection[]
  #launching = false
  #idle: (() => void)[] = []

  /** @param writes all its connections but one, which the side lane needs, and at least one. */
  constructor(
    writes: Pool,
    private readonly options: FlightOptions,
  ) {
    const count = Math.max(1, writes.options.max - 1)
    this.#connections = Array.from({ length: count }, () => new LaneConnection(writes))
  }

  add(pending: PendingUnit): void {
    this.#waiting.push(pending)
    this.#decideWaiting()
    if (this.#isWorthSending()) this.#launch()
    else if (this.#flights.size === 0) this.#launchAtEndOfTurn()
  }

  /** Waits until all that was added is finished. */
  async idle(): Promise<void> {
    if (this.#isBusy()) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  #isBusy(): boolean {
    return this.#flights.size > 0 || this.#open !== null || this.#waiting.length > 0
  }

  #isWorthSending(): boolean {
    if (!this.#open) return false
    const { verdicts, heads } = this.#open
    if (heads.size < verdicts.size) return verdicts.size >= UNITS_WORTH_SENDING
    let inTheAir = 0
    for (const { plan } of this.#flights) inTheAir += plan.verdicts.size
    return verdicts.size >= Math.max(SPREAD_UNITS_WORTH_SENDING, inTheAir)
  }

  /** In order, into the open plan, until that is full or another tenant's turn comes. */
  #decideWaiting(): void {
    if (this.#astray.size > 0) return
    for (;;) {
      const [pending] = this.#waiting
      if (!pending) return
      const { tenantId } = pending.unit
      this.#open ??= openPlan(tenantId, (id) => this.#stateAhead(tenantId, id))
      if (this.#open.tenantId !== tenantId || isFull(this.#open)) return
      this.#waiting.shift()
      decideInto(this.#open, pending, this.options)
    }
  }

  /** At most one flight has a stream. */
  #stateAhead(tenantId: string, streamId: string): ReturnType<Plan['base']> {
    for (const flight of this.#flights) {
      const state = flight.plan.tenantId === tenantId && flight.plan.states.get(streamId)
      if (!state) continue
      this.#ahead.add(flight)
      return state
    }
    return this.options.cache.get(tenantId, streamId)
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
      if (this.#flights.size > 0) return
      if (this.#open) this.#launch()
      else this.#rest()
    })
  }

  #launch(): void {
    const plan = this.#open
    if (!plan || this.#ahead.size > 0) return
    const connection = this.#connections.pop()
    if (!connection) return
    this.#open = null
    const flight = new Flight(plan, connection, this.options, () => this.#takeBack(flight))
    this.#flights.add(flight)
    void this.#fly(flight)
    this.#decideWaiting()
  }

  async #fly(flight: Flight): Promise<void> {
    const landed = await flight.land()
    for (const set of [this.#flights, this.#ahead, this.#astray]) set.delete(flight)
    this.#connections.push(flight.connection)
    if (landed) this.#landed(flight.plan)
    this.#decideWaiting()
    if (this.#isWorthSending()) this.#launch()
    if (this.#flights.size === 0) this.#launchAtEndOfTurn()
  }

  /** What was decided meanwhile goes out before anybody is answered, unless most come only then. */
  #landed(plan: Plan): void {
    this.options.outcomes.keep(plan)
    const decided = this.#open?.verdicts.size ?? 0
    if (2 * decided >= plan.verdicts.size) this.#launch()
    this.options.outcomes.answer(plan)
  }

  /** The flight did not go as decided, so what was decided ahead of it waits to be decided again. */
  #takeBack(flight: Flight): void {
    this.#astray.add(flight)
    if (!this.#open) return
    this.#waiting = [...this.#open.verdicts.keys(), ...this.#waiting]
    this.#open = null
    this.#ahead.clear()
  }

  /** Nothing to do: the connections go back to the pool. */
  #rest(): void {
    for (const connection of this.#connections) connection.release()
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}
