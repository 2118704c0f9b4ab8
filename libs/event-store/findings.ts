import type { Finding } from './log-check.js'

const FINDINGS_MAX = 100

/** The first findings in the order of the log; the others are counted. */
export class Findings {
  found = 0
  readonly #kept: Finding[] = []

  add(finding: Finding): void {
    this.found += 1
    if (this.#kept.length < FINDINGS_MAX) this.#kept.push(finding)
  }

  /** By place; an event that is wrong in itself before what follows from it; what has no place last. */
  inOrder(): Finding[] {
    const place = ({ index }: Finding): number => index ?? Number.POSITIVE_INFINITY
    const rank = ({ kind }: Finding): number =>
      kind === 'checkpoint' || kind === 'missing' ? 1 : 0
    return [...this.#kept].sort((a, b) => place(a) - place(b) || rank(a) - rank(b))
  }
}
