// The seeded bugs: each is a small, named fault of the system under test, never of the specification. `npm run
// simulate -- --bug <name>` runs with one; test/judge.spec.ts holds that each is caught.
import { FEED_BUGS } from './bugs-feed.mjs'
import { HISTORY_BUGS } from './bugs-history.mjs'
import { JUDGEMENT_BUGS } from './bugs-judgement.mjs'
import { TEXT_BUGS } from './bugs-text.mjs'
import { WRITE_BUGS } from './bugs-write.mjs'

/**
 * @typedef {object} Bug
 * @property {string} name
 * @property {string} breaks the guarantee that does not hold
 * @property {Partial<typeof import('./rules.mjs').HONEST>} rules what the service does instead
 */

/** @type {readonly Bug[]} */
export const BUGS = [...WRITE_BUGS, ...TEXT_BUGS, ...JUDGEMENT_BUGS, ...HISTORY_BUGS, ...FEED_BUGS]
