import type { EventRow } from './plan.js'

/** What events of a group mostly have in common. Actor and correlation as JSON text. */
export interface EventContext {
  readonly type: string
  readonly schema: number
  readonly actor: string
  readonly correlation: string | null
  readonly recordedAt: string
}

/**
 * The different contexts of a group's events, each once: so the server receives and checks an actor
 * once, and not with every event.
 */
export class EventContexts {
  readonly all: EventContext[] = []
  /** Of each event, the place of its context, counted from 1 as Postgres does. */
  readonly places: number[] = []
  readonly #known = new Map<string, number>()

  constructor(rows: readonly EventRow[]) {
    let before: EventRow | undefined
    let place = 0
    for (const row of rows) {
      if (!before || !isAlike(row, before)) place = this.#placeOf(row)
      this.places.push(place)
      before = row
    }
  }

  #placeOf({ event, schema }: EventRow): number {
    const { type, recordedAt } = event
    const actor = JSON.stringify(event.actor)
    const correlation = event.correlation === null ? null : JSON.stringify(event.correlation)
    const key = `${type} ${schema} ${recordedAt} ${actor} ${correlation}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const place = this.all.push({ type, schema, actor, correlation, recordedAt })
    this.#known.set(key, place)
    return place
  }
}

/** Without a look into the objects: events of one unit share them. */
function isAlike(a: EventRow, b: EventRow): boolean {
  return (
    a.event.actor === b.event.actor &&
    a.event.correlation === b.event.correlation &&
    a.event.type === b.event.type &&
    a.event.recordedAt === b.event.recordedAt &&
    a.schema === b.schema
  )
}
