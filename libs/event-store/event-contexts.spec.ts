import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { EventContexts } from './event-contexts.js'
import type { EventRow } from './plan.js'

const actors = fc.constantFrom(
  { kind: 'user', id: 'a' },
  { kind: 'user', id: 'a' },
  { kind: 'agent', id: 'a', name: ' ' },
)
const correlations = fc.constantFrom(null, { run_id: 'run-1' }, { run_id: 'run-1', step: 2 })
const rows = fc.array(
  fc.record({
    schema: fc.constantFrom(1, 2),
    event: fc.record({
      type: fc.constantFrom('TextInserted', 'TextReplaced'),
      actor: actors,
      correlation: correlations,
      recordedAt: fc.constantFrom('2026-11-21T05:55:25.123Z', '2026-11-21T05:55:25.124Z'),
    }),
  }),
)

describe('the contexts of a group', () => {
  it('gives every event back what it had, each context once', () => {
    fc.assert(
      fc.property(rows, (given) => {
        const { all, places } = new EventContexts(given as unknown as EventRow[])
        const back = places.map((place) => all[place - 1])
        expect(back).toEqual(
          given.map(({ schema, event }) => ({
            type: event.type,
            schema,
            actor: JSON.stringify(event.actor),
            correlation: event.correlation && JSON.stringify(event.correlation),
            recordedAt: event.recordedAt,
          })),
        )
        expect(new Set(all.map((context) => JSON.stringify(context))).size).toBe(all.length)
      }),
    )
  })
})
