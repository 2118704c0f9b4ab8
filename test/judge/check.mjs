// The linear checker: the log fixes the order of all writes, so whether a history is right is one sort and one
// pass, not a search. Why that suffices: docs/decisions/0014.
import { checkEnd } from './end-check.mjs'
import { checkFeeds } from './feed-check.mjs'
import { unitsOf } from './log-check.mjs'
import { checkResults } from './result-check.mjs'
import { checkTime } from './time-check.mjs'
import { Verdict } from './verdict.mjs'

/**
 * Judges what clients were told by what the log says.
 *
 * @param {readonly import('./record.mjs').Operation[]} history
 * @param {import('./record.mjs').Log} log
 * @returns {Verdict}
 */
export function check(history, log) {
  const verdict = new Verdict()
  const units = unitsOf(history, log, verdict)
  const fold = checkResults(history, units, log, verdict)
  checkTime(history, units, verdict)
  checkFeeds(log, units.events, verdict)
  checkEnd(fold, log, verdict)
  return verdict
}
