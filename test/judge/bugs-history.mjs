// Faults in what has been, and in what is made of it.
import { bending, withEffects } from './tampering.mjs'

const LOST_SHARE = 0.03
const DRIFT_SHARE = 0.03

/** @type {readonly import('./bugs.mjs').Bug[]} */
export const HISTORY_BUGS = [
  {
    name: 'undo-takes-later-edit',
    breaks: 'an undo keeps what came after',
    rules: {
      decide: bending((decision, { store }, states) =>
        withEffects(decision, (effect, { type, payload }, streamId) => {
          if (type !== 'EditReverted') return effect
          const { value } = store.stateAt(streamId, payload.intent.version - 1)
          return [{ offset: 0, delete: states.block(streamId).length, insert: value }]
        }),
      ),
    },
  },
  {
    name: 'restore-cuts-history',
    breaks: 'to go back is a new version; history is never cut',
    rules: {
      rowsOf: (plan, _random, store) => {
        for (const { event } of plan.events) {
          if (event.type === 'BlockRestored')
            store.cut(event.streamId, event.payload.intent.version)
        }
        return plan.events
      },
    },
  },
  {
    name: 'version-gap-after-rollback',
    breaks: 'versions have no gap',
    rules: { leavesGaps: true },
  },
  {
    name: 'head-moved-without-event',
    breaks: 'a head moves with an event and not without',
    rules: {
      rowsOf: (plan, random) => plan.events.filter(() => random() >= LOST_SHARE),
    },
  },
  {
    name: 'projection-drift',
    breaks: 'heads are the fold of their events',
    rules: {
      headOf: (head, random) => {
        if (head.value === null || random() >= DRIFT_SHARE) return head
        return { ...head, value: `${head.value} `, length: head.length + 1 }
      },
    },
  },
]
