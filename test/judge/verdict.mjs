// What is wrong with a history, named: what, where, and both sides.

/**
 * @typedef {'log' | 'result' | 'time' | 'unit' | 'feed' | 'projection'} Check the six of them
 *
 * @typedef {object} Violation
 * @property {Check} check
 * @property {string} kind
 * @property {string} where an operation, or a stream and a version
 * @property {unknown} expected
 * @property {unknown} found
 */

/** Violations listed one by one: beyond that they are only counted. */
const LISTED_MAX = 100

/** Collects violations. */
export class Verdict {
  /** @type {Violation[]} */
  violations = []
  count = 0

  /**
   * @param {Check} check
   * @param {string} kind
   * @param {string} where
   * @param {unknown} expected
   * @param {unknown} found
   */
  add(check, kind, where, expected, found) {
    this.count += 1
    if (this.violations.length < LISTED_MAX) {
      this.violations.push({ check, kind, where, expected, found })
    }
  }

  get ok() {
    return this.count === 0
  }
}

/** @param {Violation} violation */
export function tell({ check, kind, where, expected, found }) {
  return `${check}/${kind} at ${where}: expected ${brief(expected)}, found ${brief(found)}`
}

function brief(value) {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 300 ? `${text.slice(0, 300)}…` : text
}
