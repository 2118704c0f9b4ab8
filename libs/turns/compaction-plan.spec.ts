import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  type MessageOfRun,
  planCompaction,
  roomAfterOverflow,
  roomInWindow,
} from './compaction-plan.js'
import { messageTokens } from './context.js'
import { summaryMessages } from './summary-request.js'

let count = 0
const said = (run_id: string, role: MessageOfRun['role'], content: object): MessageOfRun => {
  count += 1
  return { message_id: `message-${count}`, run_id, role, content: content as never }
}
/** A question, an exchange with a tool, and an answer. */
const turn = (n: number, length: number): MessageOfRun[] => {
  const run = `run-${n}`
  const id = `call-${n}`
  return [
    said(run, 'user', { content: 'x'.repeat(length) }),
    said(run, 'assistant', {
      ...{ content: null, reasoning: null },
      tool_calls: [{ tool_call_id: id, name: 'f', arguments: '{}' }],
    }),
    said(run, 'tool', {
      tool_call_id: id,
      name: 'f',
      status: 'success',
      result: 'r'.repeat(length),
    }),
    said(run, 'assistant', { content: 'done', reasoning: null, tool_calls: [] }),
  ]
}
const runs = (messages: readonly MessageOfRun[]) => [...new Set(messages.map((m) => m.run_id))]

describe('what gives way to a summary', () => {
  const lengths = fc.array(fc.integer({ min: 0, max: 4_000 }), { maxLength: 12 })
  const window = fc.integer({ min: 1_000, max: 12_000 })
  const fixed = fc.integer({ min: 0, max: 4_000 })

  it('is whole turns, never a call without its return; the last turn stays if the window can hold it; what stays fits', () => {
    fc.assert(
      fc.property(lengths, window, fixed, (sizes, tokens, besides) => {
        const past = sizes.flatMap((size, n) => turn(n, size))
        const room = roomInWindow(tokens, besides, 0.75)
        const plan = planCompaction(past, room)
        const last = past.filter(({ run_id }) => run_id === past.at(-1)?.run_id)
        if (!plan) {
          expect(messageTokens(past)).toBeLessThanOrEqual(Math.max(room.usual, room.most, 0))
          return
        }
        expect([...plan.folded, ...plan.kept]).toEqual(past)
        expect(runs(plan.folded).filter((run) => runs(plan.kept).includes(run))).toEqual([])
        expect(plan.throughRunId).toBe(plan.folded.at(-1)?.run_id)
        const fits = messageTokens(last) <= Math.max(room.usual, room.most)
        expect(plan.kept.includes(last[0] as MessageOfRun)).toBe(fits)
        const bound = runs(plan.kept).length === 1 ? Math.max(room.usual, room.most) : room.usual
        if (plan.kept.length > 0) expect(messageTokens(plan.kept)).toBeLessThanOrEqual(bound)
      }),
      { numRuns: 500 },
    )
  })

  it('is at least one turn where the provider counts more than we do, and nothing where there is none', () => {
    const past = [0, 1, 2, 3].flatMap((n) => turn(n, 400))
    expect(runs(planCompaction(past, roomAfterOverflow(past, 100_000))?.folded ?? [])).toEqual([
      ...['run-0', 'run-1'],
    ])
    const one = turn(1, 10)
    expect(planCompaction(one, roomAfterOverflow(one, 100_000))?.folded).toEqual(one)
    expect(planCompaction([], roomAfterOverflow([], 100_000))).toBeNull()
  })
})

describe('the request for a summary', () => {
  it('fits the window whatever was said, and says what it leaves out', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 9_000 }),
        (n, size) => {
          const past = Array.from({ length: n }, (_, i) => turn(i, size)).flat()
          const text = JSON.stringify(summaryMessages('earlier', past, 8_000))
          expect(text.length / 4).toBeLessThanOrEqual(8_000 * 0.875)
        },
      ),
      { numRuns: 50 },
    )
    const many = Array.from({ length: 200 }, (_, i) => turn(i, 500)).flat()
    expect(summaryMessages(null, many, 2_000)[1]?.content).toMatch(
      /\d+ older messages are left out/,
    )
  })
})
