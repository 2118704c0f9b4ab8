// The log, folded event by event by the domain, with a look back at any version.
import { changeOf, isEdit } from '#domain/block-state.js'
import { evolve, evolveAll, initialState } from '#domain/streams.js'

/** A state is kept every so many versions: from it the ones after it are folded. */
const MARK_VERSIONS = 64

/** Every stream's state as of the events applied so far. */
export class Fold {
  /** @type {Map<string, { state: any, events: any[], marks: Map<number, any> }>} */
  #streams = new Map()

  /** @param {import('./record.mjs').Log['base']} base */
  constructor(base) {
    for (const [id, { state, events }] of base) this.#begin(id, state, events)
  }

  ids() {
    return this.#streams.keys()
  }

  /** @param {string} id */
  state(id) {
    return this.#streams.get(id)?.state ?? initialState(id)
  }

  /** @param {string} id */
  block(id) {
    return this.state(id)
  }

  /** @param {string} id */
  agent(id) {
    return this.state(id)
  }

  /** @param {string} id */
  turn(id) {
    return this.state(id)
  }

  /** @param {import('./record.mjs').LogEvent} event */
  apply(event) {
    const stream = this.#streams.get(event.stream) ?? this.#begin(event.stream)
    stream.state = evolve(stream.state, event)
    stream.events.push(event)
    if (event.version % MARK_VERSIONS === 0) stream.marks.set(event.version, stream.state)
    return stream.state
  }

  /**
   * A block's text at a version, and what changed it since.
   *
   * @param {string} id
   * @param {number} version
   */
  past(id, version) {
    const stream = this.#streams.get(id) ?? this.#begin(id)
    const changes = stream.events.slice(version).filter(isEdit).map(changeOf)
    return { version, value: this.#at(stream, version).value, changes, upTo: stream.state.version }
  }

  #at({ events, marks }, version) {
    let mark = version - (version % MARK_VERSIONS)
    while (!marks.has(mark)) mark -= MARK_VERSIONS
    return evolveAll(marks.get(mark), events.slice(mark, version))
  }

  #begin(id, state = initialState(id), events = []) {
    const stream = { state, events: [...events], marks: new Map([[0, initialState(id)]]) }
    this.#streams.set(id, stream)
    return stream
  }
}
