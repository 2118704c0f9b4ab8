import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { by, fail, give, queued, reply, retry, start } from '../../test/support/turn-commands.js'
import { draft } from './draft.js'
import type { TurnEvent } from './turn-events.js'
import { nextAction } from './turn-steps.js'

describe('a turn, whatever is asked of it in whatever order', () => {
  const small = fc.integer({ min: 1, max: 4 })
  const index = fc.integer({ min: 0, max: 2 })
  const call = fc.constantFrom(['a', 'web_search'], ['', 'memory_insert'], ['a', 'send_message'])
  const command = fc.oneof(
    small.map((epoch) => start(epoch)),
    small.map((epoch) => start(epoch, null)),
    fc
      .tuple(small, fc.array(call as fc.Arbitrary<[string, string]>, { maxLength: 3 }))
      .map(([step, calls]) => reply(step, ...calls)),
    fc
      .tuple(small, index, fc.constantFrom('success' as const, 'error' as const))
      .map(([step, i, status]) => give(step, i, { status })),
    fc.tuple(small, small).map(([step, attempt]) => retry(step, attempt)),
    fc.constant(fail),
  )

  it('ends at most once, writes nothing after its end, and records no step and no call twice', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        let state = queued({ max_steps: 3 })
        const log: TurnEvent[] = []
        for (const decide of commands) {
          const events = decide(state)
          log.push(...events)
          state = draft(state, events, by)
        }
        const ends = log.filter((e) => /^Turn(Completed|Failed|DeadLettered)$/.test(e.type))
        expect(ends.length).toBeLessThanOrEqual(1)
        if (ends[0]) expect(log.at(-1)).toBe(ends[0])
        expect(nextAction(state, state.epoch).do === 'nothing').toBe(ends.length === 1)
        const marks = log.flatMap((e): string[] => {
          if (e.type === 'ModelRequested' || e.type === 'ModelResponded')
            return [`${e.type} ${e.payload.step}`]
          if (e.type === 'ToolReturned') return [`returned ${e.payload.step}/${e.payload.index}`]
          return e.type === 'ToolCalled' ? [`id ${e.payload.tool_call_id}`] : []
        })
        expect(new Set(marks).size).toBe(marks.length)
        expect(state.steps.map((s) => s.step)).toEqual(state.steps.map((_, i) => i + 1))
      }),
      { numRuns: 500 },
    )
  })
})
