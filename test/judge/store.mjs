// A log in memory with the rules of the real one: transactions lock the heads they write, take positions while they
// hold them, and are seen once they are committed.
import { changeOf, isEdit } from '#domain/block-state.js'
import { evolveAll, initialState, restoreState, storedState } from '#domain/streams.js'
import * as text from '#domain/text.js'
import { emptyStream } from '#event-store/stream-reader.js'

/**
 * @typedef {object} Transaction
 * @property {number} id in the order in which transactions began
 * @property {string[]} locks
 * @property {any[]} rows written and not yet seen
 * @property {any[]} results
 * @property {any[]} heads
 * @property {string[]} agents whose claims may not move before its end
 * @property {number} early the position before the first that it took at its beginning; only a service that errs does
 */

const POSITIONS_EARLY = 1_000

export class Store {
  /** Committed: the newest state of each stream, its head's row, and its events. */
  streams = new Map()
  results = new Map()
  /** Newest claim of each agent. */
  epochs = new Map()
  /** Committed events in the order of their positions. */
  feed = []
  /** The same in the order of their commits. */
  commits = []
  /** @type {Set<Transaction>} */
  #open = new Set()
  #locks = new Map()
  #position = 0
  #transactions = 0

  /**
   * @param {import('./record.mjs').Log['base']} base
   * @param {typeof import('./rules.mjs').HONEST} rules
   * @param {import('./random.mjs').Seeded} random
   */
  constructor(base, rules, random) {
    this.base = base
    this.rules = rules
    this.random = random
    for (const [id, { state }] of base) {
      const folded = { ...emptyStream(id), version: state.version, state }
      this.streams.set(id, { folded, head: headOf(folded), events: [] })
    }
  }

  /** @returns {Transaction} */
  begin() {
    const transaction = {
      id: ++this.#transactions,
      locks: [],
      rows: [],
      results: [],
      heads: [],
      agents: [],
      early: 0,
    }
    this.#open.add(transaction)
    if (this.rules.takesPositionsEarly) {
      transaction.early = this.#position
      this.#position += POSITIONS_EARLY
    }
    return transaction
  }

  /**
   * Locks heads, unless another transaction holds one.
   *
   * @param {Transaction} transaction
   * @param {readonly string[]} ids
   */
  lock(transaction, ids) {
    if (ids.some((id) => this.isLocked(id, transaction))) return false
    for (const id of ids) {
      this.#locks.set(id, transaction)
      transaction.locks.push(id)
    }
    return true
  }

  /** @param {string} id @param {Transaction} [by] */
  isLocked(id, by) {
    const holder = this.#locks.get(id)
    return holder !== undefined && holder !== by
  }

  /**
   * A plan's statement: it writes everything, or nothing and names what is in its way.
   *
   * @param {Transaction} transaction
   * @param {any} plan
   */
  write(transaction, plan) {
    const heads = [...plan.heads.values()]
    const lost = heads
      .filter(({ stream, oldVersion }) => this.#isLost(stream.streamId, oldVersion, transaction))
      .map(({ stream }) => stream.streamId)
    const fenced = plan.fences.filter((fence) => this.rules.isFenced(this, fence))
    const taken = plan.results.filter(({ commandId }, i) =>
      this.#isTaken(commandId, transaction, plan.results, i),
    )
    if (lost.length + fenced.length + taken.length > 0) return { ok: false, lost, fenced, taken }
    this.lock(
      transaction,
      heads.map(({ stream }) => stream.streamId),
    )
    transaction.heads.push(...heads)
    transaction.results.push(...plan.results)
    transaction.agents.push(...plan.fences.map(({ agentId }) => agentId))
    for (const row of this.rules.rowsOf(plan, this.random, this)) {
      const position = this.rules.takesPositionsEarly ? ++transaction.early : ++this.#position
      transaction.rows.push({ ...row, position, transaction: transaction.id })
    }
    return { ok: true, lost, fenced, taken }
  }

  #isLost(id, oldVersion, transaction) {
    if (this.isLocked(id, transaction)) return true
    return this.rules.hasMoved(this.versionOf(id), oldVersion)
  }

  #isTaken(commandId, transaction, results, at) {
    if (this.rules.knowsId(this, commandId)) return true
    if (results.findIndex((row) => row.commandId === commandId) < at) return true
    for (const other of this.#open) {
      if (other === transaction) continue
      if (other.results.some((row) => row.commandId === commandId)) return true
    }
    return false
  }

  /** @param {Transaction} transaction */
  commit(transaction) {
    for (const { stream: folded } of transaction.heads) {
      const known = this.streams.get(folded.streamId) ?? { events: [] }
      const previous = known.head
      const head = this.rules.headOf(headOf(folded), this.random)
      this.streams.set(folded.streamId, { ...known, folded, head, previous })
    }
    for (const row of transaction.rows) {
      this.streams.get(row.event.streamId)?.events.push(row)
      this.commits.push(row)
      let place = this.feed.length
      while (place > 0 && this.feed[place - 1].position > row.position) place -= 1
      this.feed.splice(place, 0, row)
    }
    for (const row of transaction.results) {
      row.at = this.commits.length
      if (this.rules.storesResult(row)) this.results.set(row.commandId, row)
    }
    this.rollback(transaction)
  }

  /** @param {Transaction} transaction */
  rollback(transaction) {
    for (const id of transaction.locks) this.#locks.delete(id)
    this.#open.delete(transaction)
  }

  /** Heads move on although nothing was written: only a service that errs does this. */
  skip({ heads }) {
    for (const { stream } of heads) {
      const known = this.streams.get(stream.streamId)
      if (!known) continue
      const { version } = stream
      const state = { ...known.folded.state, version }
      this.streams.set(stream.streamId, { ...known, folded: { ...known.folded, version, state } })
    }
  }

  /** The newest claim of an agent, unless a write under an older one is under way. */
  claim(agentId) {
    for (const { agents } of this.#open) if (agents.includes(agentId)) return null
    const epoch = (this.epochs.get(agentId) ?? 1) + 1
    this.epochs.set(agentId, epoch)
    return epoch
  }

  /** Below it no event will come to be seen any more. */
  certified() {
    let least = this.#position + 1
    for (const { rows } of this.#open) for (const row of rows) least = Math.min(least, row.position)
    return least
  }

  /** The oldest transaction that has not ended. */
  leastOpen() {
    let least = this.#transactions + 1
    for (const { id } of this.#open) least = Math.min(least, id)
    return least
  }

  /** What came after a version is gone: only a service that errs does this. */
  cut(id, version) {
    const stays = ({ event }) => event.streamId !== id || event.version <= version
    const known = this.streams.get(id)
    if (known) this.streams.set(id, { ...known, events: known.events.filter(stays) })
    this.feed = this.feed.filter(stays)
    this.commits = this.commits.filter(stays)
  }

  versionOf(id) {
    return this.streams.get(id)?.folded.version ?? 0
  }

  /** As a process reads a stream it does not know: sometimes from a snapshot, which remembers nothing. */
  load(id, fromSnapshot = false) {
    const folded = this.streams.get(id)?.folded ?? emptyStream(id)
    if (!fromSnapshot || folded.version === 0) return folded
    return { ...folded, state: restoreState(id, storedState(folded.state)) }
  }

  /** The state at a version, from the log. */
  stateAt(id, version) {
    return evolveAll(
      initialState(id),
      this.#eventsOf(id).filter((event) => event.version <= version),
    )
  }

  /** A block's text at a version, and what changed it since. */
  past(id, version) {
    const since = this.#eventsOf(id).filter((event) => event.version > version)
    const changes = since.filter(isEdit).map(changeOf)
    return { version, value: this.stateAt(id, version).value, changes, upTo: this.versionOf(id) }
  }

  #eventsOf(id) {
    const before = this.base.get(id)?.events ?? []
    return [...before, ...(this.streams.get(id)?.events ?? []).map(({ event }) => event)]
  }
}

function headOf({ version, state }) {
  const { value } = state
  if (value === undefined) return { version, length: 0, value: null }
  return { version, length: text.length(value), value }
}
