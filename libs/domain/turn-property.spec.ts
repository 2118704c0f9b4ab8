import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  answer,
  askCancel,
  by,
  cancel,
  expire,
  fail,
  give,
  park,
  queued,
  reply,
  requeue,
  retry,
  start,
} from '../../test/support/turn-commands.js'
import { draft } from './draft.js'
import type { TurnEvent } from './turn-events.js'
import { nextAction } from './turn-steps.js'

const DEADLINE = '2026-01-05T10:00:00.000Z'
const LATER = '2026-01-05T09:30:00.000Z'
const isEnd = ({ type }: TurnEvent): boolean =>
  /^Turn(Completed|Failed|Cancelled|DeadLettered)$/.test(type)

describe('a turn, whatever is asked of it in whatever order', () => {
  const small = fc.integer({ min: 1, max: 4 })
  const index = fc.integer({ min: 0, max: 2 })
  const call = fc.constantFrom(
    ['a', 'web_search'],
    ['', 'memory_insert'],
    ['a', 'send_message'],
    ['c', 'delete_file'],
  )
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
    fc.tuple(small, small).map(([step, attempt]) => park(step, attempt, LATER)),
    fc.constantFrom(by.now, DEADLINE).chain((now) => fc.boolean().map((mine) => expire(now, mine))),
    fc.constantFrom(fail, askCancel, cancel, requeue),
    fc.constantFrom(
      answer({ kind: 'given', args: null }),
      answer({ kind: 'denied', reason: null }, 1),
    ),
  )

  it('ends at most once until it is put back, writes nothing after its end, and records no step and no call twice', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        let state = queued({ max_steps: 3 }, DEADLINE)
        const log: TurnEvent[] = []
        for (const decide of commands) {
          const events = decide(state)
          log.push(...events)
          state = draft(state, events, by)
        }
        const lives: TurnEvent[][] = [[]]
        for (const event of log) {
          if (event.type === 'TurnRequeued') lives.push([])
          else lives.at(-1)?.push(event)
        }
        for (const life of lives) {
          const ends = life.filter(isEnd)
          expect(ends.length).toBeLessThanOrEqual(1)
          if (ends[0]) expect(life.at(-1)).toBe(ends[0])
        }
        const ended = lives.at(-1)?.some(isEnd) === true
        const idle = ended || (state.status === 'parked' && !state.cancelRequested)
        expect(nextAction(state, state.epoch, by.now).do === 'nothing').toBe(idle)
        const marks = log.flatMap((e): string[] => {
          if (e.type === 'ModelRequested' || e.type === 'ModelResponded')
            return [`${e.type} ${e.payload.step}`]
          if (e.type === 'ToolReturned') return [`returned ${e.payload.step}/${e.payload.index}`]
          if (e.type === 'ApprovalGiven' || e.type === 'ApprovalDenied')
            return e.payload.tool_call_ids.map((id) => `answered ${e.payload.step}/${id}`)
          return e.type === 'ToolCalled' ? [`id ${e.payload.tool_call_id}`] : []
        })
        expect(new Set(marks).size).toBe(marks.length)
        expect(state.steps.map((s) => s.step)).toEqual(state.steps.map((_, i) => i + 1))
      }),
      { numRuns: 500 },
    )
  })
})
