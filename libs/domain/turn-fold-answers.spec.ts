import { describe, expect, it } from '@jest/globals'
import { by, grown, queued, requested, start, USER } from '../../test/support/turn-commands.js'
import { draft } from './draft.js'
import type { TurnState } from './turn.js'
import type { TurnEvent } from './turn-events.js'

const at = (now: string, state: TurnState, ...events: TurnEvent[]) =>
  draft(state, events, { ...by, now })
const asked = at('10:01', grown(queued(), start(1, null)), {
  type: 'ModelRequested',
  payload: requested(1),
})

describe('the journal of a turn', () => {
  it('holds what was said to each call that waits for it, and leaves the others alone', () => {
    const called = (index: number): TurnEvent => ({
      type: 'ToolCalled',
      payload: { step: 1, index, tool_call_id: `call_${index}`, name: 'x', args: '{}' },
    })
    const tool_call_ids = ['call_0', 'call_1', 'call_2', 'call_3']
    const calling = at('10:02', asked, ...[0, 1, 2, 3, 4].map(called))
    const waiting = at('10:03', calling, {
      type: 'ApprovalRequested',
      payload: { step: 1, tool_call_ids },
    })
    const answers = (state: TurnState) => state.steps[0]?.calls.map((call) => call.answer)
    expect(answers(calling)).toEqual([undefined, undefined, undefined, undefined, undefined])
    expect(answers(waiting)).toEqual([null, null, null, null, undefined])
    const step = 1
    const said = at(
      '10:04',
      waiting,
      {
        type: 'ApprovalGiven',
        payload: {
          step,
          tool_call_ids: ['call_0', 'call_1'],
          by: USER,
          args: { call_1: '{"n":1}' },
        },
      },
      {
        type: 'ApprovalDenied',
        payload: { step, tool_call_ids: ['call_2'], by: USER, reason: 'no' },
      },
      {
        type: 'ToolAnswered',
        payload: { step, tool_call_id: 'call_3', status: 'error', result: 'locked', by: USER },
      },
    )
    expect(answers(said)).toEqual([
      { kind: 'given', args: null, by: USER },
      { kind: 'given', args: '{"n":1}', by: USER },
      { kind: 'denied', reason: 'no', by: USER },
      { kind: 'returned', status: 'error', result: 'locked', by: USER },
      undefined,
    ])
    const bare = { step, tool_call_ids: ['call_0'], by: USER }
    expect(answers(at('10:04', waiting, { type: 'ApprovalGiven', payload: bare }))?.[0]).toEqual({
      kind: 'given',
      args: null,
      by: USER,
    })
  })
})
