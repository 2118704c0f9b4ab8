// Check 2, and the body of check 4: the log is folded once, and every event, refusal and read is compared with what
// the domain makes of the operation at that very place.
import { isDeepStrictEqual } from 'node:util'
import { Fold } from './fold.mjs'
import { digest } from './record.mjs'
import { expected } from './specification.mjs'

/** @typedef {import('./record.mjs').Operation} Operation */

/**
 * @param {readonly Operation[]} history
 * @param {import('./log-check.mjs').Units} units
 * @param {import('./record.mjs').Log} log
 * @param {import('./verdict.mjs').Verdict} verdict
 * @returns {Fold} as the log leaves it
 */
export function checkResults(history, { units, events, firsts }, { base }, verdict) {
  const fold = new Fold(base)
  const pass = new Pass(fold, verdict)
  for (const operation of history) pass.await(operation, units, firsts)
  pass.begin()
  const done = new Set()
  for (const { command } of events) {
    if (done.has(command)) continue
    done.add(command)
    pass.unit(/** @type {import('./log-check.mjs').LogUnit} */ (units.get(command)))
  }
  pass.end()
  return fold
}

/** One way through the log. */
class Pass {
  /** What is to be judged once streams stand at these versions, by stream, then version. */
  #awaited = new Map()
  /** By stream: the latest version up to which it shares a unit with another stream, and the other's. */
  #shared = new Map()
  #open = new Set()

  /**
   * @param {Fold} fold
   * @param {import('./verdict.mjs').Verdict} verdict
   */
  constructor(fold, verdict) {
    this.fold = fold
    this.verdict = verdict
  }

  /**
   * @param {Operation} operation
   * @param {ReadonlyMap<string, import('./log-check.mjs').LogUnit>} units
   * @param {ReadonlyMap<string, Operation>} firsts
   */
  await(operation, units, firsts) {
    const { outcome, command } = operation
    if (outcome.status === 'read') {
      if (this.#wasPast(operation)) return
      // Streams of one read stood together at one instant of the commits, which need not be one of positions.
      for (const [id, sight] of Object.entries(outcome.blocks)) {
        this.#add({ at: { [id]: sight.version }, operation, sight })
      }
    } else if (firsts.get(command) !== operation) return
    else if (outcome.status === 'previewed' || (outcome.status === 'rejected' && outcome.at)) {
      this.#add({ at: outcome.at, operation })
    } else if (outcome.status === 'ok' && !(outcome.changed ?? units.has(command))) {
      this.#add({ at: outcome.version, operation })
    }
  }

  /** A version from before the log begins here. */
  #wasPast(operation) {
    const { atVersion, outcome } = operation
    const [[id, sight]] = Object.entries(outcome.blocks)
    if (atVersion === undefined || atVersion >= this.fold.state(id).version) return false
    this.#text({ operation, sight }, id, this.fold.past(id, atVersion).value)
    return true
  }

  /** Judges what was judged before the first event. */
  begin() {
    for (const id of this.#awaited.keys()) this.reached(id, this.fold.state(id).version)
  }

  #add(judgement) {
    // Where the wire tells no version, nothing can be judged.
    if (Object.keys(judgement.at).length === 0) return
    this.#open.add(judgement)
    for (const [stream, version] of Object.entries(judgement.at)) {
      const versions = this.#awaited.get(stream) ?? new Map()
      this.#awaited.set(stream, versions)
      versions.set(version, [...(versions.get(version) ?? []), judgement])
    }
  }

  /** @param {import('./log-check.mjs').LogUnit} unit */
  unit({ operation, events }) {
    if (operation) this.#compare(operation, events)
    for (const event of events) {
      if (event.version === this.fold.state(event.stream).version + 1) this.fold.apply(event)
    }
    const last = new Map(events.map(({ stream, version }) => [stream, version]))
    if (last.size > 1) this.#share(last)
    for (const [stream, version] of last) this.reached(stream, version)
    if (last.size === events.length) return
    // Of several events on one stream each version is one that a read by version may name.
    for (const { stream, version } of events) {
      if (version !== last.get(stream)) this.#pastOnly(stream, version)
    }
  }

  /** The events of a unit are those the domain decides at this place. */
  #compare(operation, events) {
    const judged = expected(this.fold, operation)
    const where = operation.op_id
    if (!judged.ok) {
      this.verdict.add('result', 'should_be_refused', where, judged.rejection.code, namesOf(events))
      return
    }
    const due = judged.appends.map(namedEvent)
    const found = events.map(({ stream, type, payload }) => [stream, type, payload])
    if (JSON.stringify(due) !== JSON.stringify(found) && !sameByStream(due, found)) {
      const missing = due.length !== found.length
      const check = missing && due.length > 1 ? 'unit' : 'result'
      this.verdict.add(check, missing ? 'other_events' : 'other_effect', where, due, found)
    }
    const { outcome } = operation
    if (outcome.status === 'ok' && outcome.receipt !== undefined) {
      this.#receipt(where, judged, outcome.receipt)
    }
  }

  #receipt(where, judged, receipt) {
    const due = judged.receipts[0] ?? null
    if (!isDeepStrictEqual(receipt, due)) this.verdict.add('result', 'receipt', where, due, receipt)
  }

  /** @param {string} stream @param {number} version */
  reached(stream, version) {
    const versions = this.#awaited.get(stream)
    const awaited = versions?.get(version)
    if (!awaited) return
    for (const judgement of awaited) {
      const { at } = judgement
      const others = Object.keys(at)
      if (others.every((id) => this.fold.state(id).version === at[id])) this.#judge(judgement)
    }
  }

  #pastOnly(stream, version) {
    for (const judgement of this.#awaited.get(stream)?.get(version) ?? []) {
      if (judgement.operation.atVersion === version) {
        const { value } = this.fold.past(stream, version)
        this.#open.delete(judgement)
        this.#text(judgement, stream, value)
      }
    }
  }

  #judge(judgement) {
    if (!this.#open.delete(judgement)) return
    const { operation, at, sight } = judgement
    const { outcome, op_id } = operation
    if (sight) {
      const [stream] = Object.keys(at)
      this.#text(judgement, stream, this.fold.block(stream).value)
      if (operation.atVersion === undefined) this.#together(operation, stream)
      return
    }
    const judged = expected(this.fold, operation)
    if (outcome.status === 'previewed') {
      const due = judged.ok ? judged.appends.map(namedEvent) : judged.rejection.code
      if (!isDeepStrictEqual(due, outcome.events)) {
        this.verdict.add('result', 'preview', op_id, due, outcome.events)
      }
      return
    }
    if (outcome.status === 'rejected') {
      const code = judged.ok ? null : judged.rejection.code
      if (code !== outcome.code) this.verdict.add('result', 'refusal', op_id, code, outcome.code)
      return
    }
    const due = judged.ok ? judged.changed : judged.rejection.code
    if (due !== false) this.verdict.add('result', 'unchanged', op_id, due, false)
    else if (outcome.receipt !== undefined) this.#receipt(op_id, judged, outcome.receipt)
  }

  #text({ operation, sight }, stream, value) {
    const due = digest(value)
    if (due === sight.digest) return
    this.verdict.add(
      'result',
      'text',
      `${operation.op_id} ${stream}@${sight.version}`,
      due,
      sight.digest,
    )
  }

  #share(last) {
    for (const stream of last.keys()) {
      const shared = this.#shared.get(stream) ?? new Map()
      this.#shared.set(stream, shared)
      for (const [other, version] of last) if (other !== stream) shared.set(other, version)
    }
  }

  /** Who sees one side of a unit sees the other. */
  #together({ op_id, outcome }, stream) {
    const shared = this.#shared.get(stream)
    if (!shared) return
    for (const [other, { version }] of Object.entries(outcome.blocks)) {
      const least = shared.get(other) ?? 0
      if (other === stream || version >= least) continue
      this.verdict.add('unit', 'torn_read', `${op_id} ${other}`, `>= ${least}`, version)
    }
  }

  /** What was judged at versions that never stood together, or never stood at all. */
  end() {
    for (const { operation, at } of this.#open) {
      this.verdict.add('result', 'judged_nowhere', operation.op_id, at, 'no such versions')
    }
  }
}

/** What a unit appends to each stream counts, and in which order; the order among streams does not. */
function sameByStream(due, found) {
  return isDeepStrictEqual(byStream(due), byStream(found))
}

function byStream(events) {
  return JSON.parse(JSON.stringify([...events].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))))
}

function namedEvent({ streamId, event }) {
  return [streamId, event.type, event.payload]
}

function namesOf(events) {
  return events.map(({ stream, version, type }) => `${stream}@${version} ${type}`)
}
