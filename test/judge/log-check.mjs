// Check 1: versions have no gap, every event belongs to one operation that asked for it and was not refused, and
// what was acknowledged is there.
import { isDeepStrictEqual } from 'node:util'

/**
 * @typedef {object} LogUnit Everything one command appended.
 * @property {string} command
 * @property {import('./record.mjs').LogEvent[]} events in the order of their positions
 * @property {import('./record.mjs').Operation | null} operation who asked for it
 *
 * @typedef {object} Units
 * @property {ReadonlyMap<string, LogUnit>} units by command id
 * @property {readonly import('./record.mjs').LogEvent[]} events in the order of their positions
 * @property {ReadonlyMap<string, import('./record.mjs').Operation>} firsts by command id, who asked first: others asked again
 */

/**
 * @param {readonly import('./record.mjs').Operation[]} history
 * @param {import('./record.mjs').Log} log
 * @param {import('./verdict.mjs').Verdict} verdict
 * @returns {Units}
 */
export function unitsOf(history, log, verdict) {
  const events = [...log.events].sort((a, b) => a.position - b.position)
  checkVersions(events, log.base, verdict)
  /** @type {Map<string, LogUnit>} */
  const units = new Map()
  for (const event of events) {
    const unit = units.get(event.command)
    if (unit) unit.events.push(event)
    else units.set(event.command, { command: event.command, events: [event], operation: null })
  }
  const firsts = firstsOf(history)
  for (const operation of history) {
    if (operation.edits.length === 0) continue
    const first = firsts.get(operation.command)
    if (first !== operation) checkAgain(first, operation, verdict)
    else {
      const unit = units.get(operation.command)
      if (unit) unit.operation = operation
      checkTold(operation, unit, verdict)
    }
  }
  for (const { operation, events: own, command } of units.values()) {
    if (operation) continue
    const [{ stream, version, type }] = own
    verdict.add('log', 'phantom', `${stream}@${version}`, 'an operation', `${type} by ${command}`)
  }
  return { units, events, firsts }
}

/** The operation that brought about what its command id stands for. */
function firstsOf(history) {
  const firsts = new Map()
  for (const operation of history) {
    const before = firsts.get(operation.command)
    if (
      !before ||
      isReuse(before) ||
      (!isReuse(operation) && operation.t_invoke < before.t_invoke)
    ) {
      firsts.set(operation.command, operation)
    }
  }
  return firsts
}

function isReuse({ outcome }) {
  return outcome.status === 'rejected' && outcome.code === 'idempotency_key_reused'
}

/** In the order of positions the versions of a stream are 1, 2, 3 … */
function checkVersions(events, base, verdict) {
  const newest = new Map()
  for (const [id, { state }] of base) newest.set(id, state.version)
  for (const { stream, version } of events) {
    const due = (newest.get(stream) ?? 0) + 1
    if (version !== due) verdict.add('log', 'version_order', stream, due, version)
    newest.set(stream, version)
  }
}

const NOT_WRITTEN = ['rejected', 'fenced', 'previewed']

/** What the client was told is what is in the log, at exactly the version it was told. */
function checkTold({ op_id, outcome, edits, tool }, unit, verdict) {
  if (NOT_WRITTEN.includes(outcome.status)) {
    if (!unit) return
    const [{ stream, version }] = unit.events
    verdict.add('log', 'refused_but_there', op_id, outcome, `${stream}@${version}`)
  }
  if (outcome.status !== 'ok') return
  const changed = outcome.changed ?? unit !== undefined
  if (!changed) {
    if (unit) verdict.add('log', 'unchanged_but_there', op_id, outcome, unit.events[0].version)
    return
  }
  const told = tool ? [tool.runId] : [...new Set(edits.map(({ blockId }) => blockId))]
  for (const stream of told) {
    const last = unit?.events.findLast((event) => event.stream === stream)
    const version = outcome.version[stream]
    if (version === undefined) continue
    // Of a batch some members may change nothing.
    if (!last && edits.length > 1 && unit) continue
    if (last?.version !== version) {
      verdict.add('log', last ? 'misplaced' : 'lost', `${op_id} ${stream}`, version, last?.version)
    }
  }
}

/** The same command id again: the first answer, or a refusal where something else was asked. */
function checkAgain(before, operation, verdict) {
  const { op_id, outcome } = operation
  if (outcome.status === 'unknown') return
  const same = isDeepStrictEqual(before.edits, operation.edits)
  if (!same) {
    if (isReuse(operation)) return
    verdict.add('log', 'id_reused', op_id, 'idempotency_key_reused', outcome)
    return
  }
  if (before.outcome.status === 'unknown' || isDeepStrictEqual(before.outcome, outcome)) return
  verdict.add('log', 'answered_otherwise', op_id, before.outcome, outcome)
}
