// Faults in how commits, ids and claims are kept.
import { bending } from './tampering.mjs'

/** Commits after which an id is forgotten. */
const REMEMBERED_COMMITS = 4

/** @type {readonly import('./bugs.mjs').Bug[]} */
export const WRITE_BUGS = [
  {
    name: 'head-not-compared',
    breaks: 'nothing is written over a head that has moved',
    rules: { hasMoved: () => false },
  },
  {
    name: 'acknowledge-before-commit',
    breaks: 'what was acknowledged is there',
    rules: { answersEarly: true },
  },
  {
    name: 'duplicate-on-retry',
    breaks: 'a command id is applied once',
    rules: { knowsId: () => false, resultOf: () => undefined },
  },
  {
    name: 'refusal-not-stored',
    breaks: 'a command that was refused does not succeed when it is sent again',
    rules: { storesResult: ({ verdict }) => verdict === 'ok' },
  },
  {
    name: 'command-id-forgotten',
    breaks: 'a command id is known for ever',
    rules: {
      knowsId: (store, commandId) => isYoung(store, store.results.get(commandId)),
      resultOf: (store, commandId) => {
        const row = store.results.get(commandId)
        return isYoung(store, row) ? row : undefined
      },
    },
  },
  {
    name: 'reused-id-accepted',
    breaks: 'another request under a known id is refused',
    rules: { isReused: () => false },
  },
  {
    name: 'batch-half-applied',
    breaks: 'a batch is all or nothing',
    rules: {
      decide: bending((decision, { operation, random }) => {
        if (operation.kind !== 'batch' || !decision.appends || random() < 0.5) return decision
        const [first] = decision.appends
        return {
          ...decision,
          appends: decision.appends.filter((append) => append.streamId === first.streamId),
        }
      }),
    },
  },
  {
    name: 'fenced-worker-writes',
    breaks: 'who has lost the claim of an agent writes nothing',
    rules: { isFenced: () => false },
  },
  {
    name: 'position-before-lock',
    breaks: 'positions rise with versions',
    rules: { takesPositionsEarly: true },
  },
]

function isYoung(store, row) {
  return row !== undefined && store.commits.length - row.at < REMEMBERED_COMMITS
}
