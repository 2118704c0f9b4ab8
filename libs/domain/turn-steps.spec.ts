import { describe, expect, it } from '@jest/globals'
import {
  by,
  fail,
  give,
  grown,
  queued,
  queuedPayload,
  RUN,
  reply,
  requested,
  retry,
  returned,
  start,
  USAGE,
} from '../../test/support/turn-commands.js'
import { ATTEMPTS_WITHOUT_PROGRESS_MAX, initialTurn, type TurnState } from './turn.js'
import type { TurnEvent } from './turn-events.js'
import { nextAction, queueTurn } from './turn-steps.js'

const types = (events: readonly TurnEvent[]): string[] => events.map((event) => event.type)
const over = (state: TurnState): string => nextAction(state, state.epoch, by.now).do

describe('queueing a turn', () => {
  it('happens once for a run', () => {
    expect(queueTurn(queued(), queuedPayload())).toMatchObject({
      ok: false,
      rejection: { code: 'already_exists' },
    })
  })

  it('needs a message', () => {
    expect(queueTurn(initialTurn(RUN), { ...queuedPayload(), input: [] })).toMatchObject({
      ok: false,
      rejection: { code: 'empty_messages' },
    })
  })
})

describe('what a turn does next', () => {
  const asked = grown(queued(), start(1))
  const calling = grown(asked, reply(1, ['a', 'web_search'], ['b', 'memory_insert']))

  it.each([
    ['nothing, before it is queued', initialTurn(RUN), { do: 'nothing' }],
    ['start, once queued', queued(), { do: 'start' }],
    ['ask the model, once a request is recorded', asked, { do: 'ask', step: { step: 1 } }],
    [
      'make the calls that have not returned',
      calling,
      { do: 'call', calls: [{ index: 0 }, { index: 1 }] },
    ],
    [
      'leave alone the calls that have',
      grown(calling, give(1, 0)),
      { do: 'call', calls: [{ index: 1 }] },
    ],
    [
      'ask again after the last return',
      grown(calling, give(1, 1), give(1, 0)),
      { do: 'ask', step: { step: 2 } },
    ],
    [
      'ask again after a failure of the model',
      grown(asked, retry(1, 1)),
      { do: 'ask', step: { retries: 1, notBefore: by.now } },
    ],
    ['nothing, once it is over', grown(asked, reply(1)), { do: 'nothing' }],
    [
      'start again, when its first request could not be made',
      grown(queued(), start(1, null)),
      { do: 'start' },
    ],
  ])('%s', (_name, state, action) => {
    expect(nextAction(state, 1, by.now)).toMatchObject(action)
  })

  it('start again under a newer claim, wherever it stands', () => {
    for (const state of [asked, calling])
      expect(nextAction(state, 2, by.now)).toEqual({ do: 'start' })
  })
})

describe('starting a turn', () => {
  it('records the start and the first request in one commit', () => {
    expect(start(1)(queued())).toEqual([
      { type: 'TurnStarted', payload: { worker_id: 'worker-1', epoch: 1, attempt: 1 } },
      { type: 'ModelRequested', payload: requested(1) },
    ])
  })

  it('resumes under a new claim without another request', () => {
    expect(start(2)(grown(queued(), start(1)))).toMatchObject([
      { type: 'TurnStarted', payload: { epoch: 2, attempt: 2 } },
    ])
  })

  it('happens once under one claim', () => {
    expect(start(1)(grown(queued(), start(1)))).toEqual([])
    const unasked = grown(queued(), start(1, null))
    expect(types(start(1)(unasked))).toEqual(['ModelRequested'])
  })

  it('dead-letters a turn that was started three times without a new step', () => {
    const tried = grown(queued(), start(1), start(2), start(3))
    expect(start(4)(tried)).toMatchObject([{ type: 'TurnDeadLettered', payload: { attempts: 3 } }])
    expect(over(grown(tried, start(4)))).toBe('nothing')
  })

  it('counts starts whose first request could not be made', () => {
    const tried = grown(queued(), start(1, null), start(2, null), start(3, null))
    expect(types(start(4)(tried))).toEqual(['TurnDeadLettered'])
  })

  it('forgets earlier starts with every recorded answer and every return', () => {
    const calls = [
      ['a', 'memory_insert'],
      ['b', 'memory_insert'],
    ] as const
    const tried = grown(queued(), start(1), start(2), start(3))
    const answered = grown(tried, reply(1, ...calls), start(4), start(5), start(6))
    expect(answered.attemptsWithoutProgress).toBe(ATTEMPTS_WITHOUT_PROGRESS_MAX)
    expect(types(start(7)(grown(answered, give(1, 0))))).toEqual(['TurnStarted'])
  })
})

describe('recording an answer of the model', () => {
  const asked = grown(queued(), start(1))

  it('ends the turn when there is no tool call, with the usage of all its steps', () => {
    const second = grown(asked, reply(1, ['a', 'web_search']), give(1, 0))
    expect(reply(2)(second)).toMatchObject([
      { type: 'ModelResponded' },
      {
        type: 'TurnCompleted',
        payload: { stop_reason: 'end_turn', usage: { total_tokens: 30, cached_input_tokens: 4 } },
      },
    ])
  })

  it('records every call before any of them is made', () => {
    expect(reply(1, ['a', 'web_search'], ['b', 'memory_insert'])(asked)).toMatchObject([
      { type: 'ModelResponded' },
      { type: 'ToolCalled', payload: { step: 1, index: 0, tool_call_id: 'a', name: 'web_search' } },
      { type: 'ToolCalled', payload: { step: 1, index: 1, tool_call_id: 'b', args: '{}' } },
    ])
  })

  it('makes repeated and empty ids of calls unique in the turn', () => {
    const first = grown(asked, reply(1, ['a', 'x'], ['a', 'x'], ['', 'x']))
    const ids = first.steps[0]?.calls.map((call) => call.tool_call_id) ?? []
    expect(ids[0]).toBe('a')
    const next = grown(first, give(1, 0), give(1, 1), give(1, 2), reply(2, ['a', 'x'], ['b', 'x']))
    const later = next.steps[1]?.calls.map((call) => call.tool_call_id) ?? []
    expect(later[1]).toBe('b')
    expect(new Set([...ids, ...later]).size).toBe(5)
    expect([...ids, ...later].every((id) => id !== '')).toBe(true)
    const said = next.steps[1]?.reply?.tool_calls.map((call) => call.tool_call_id)
    expect(said).toEqual(later)
  })

  it('happens once for a step', () => {
    const answered = grown(asked, reply(1, ['a', 'x']))
    expect(reply(1, ['b', 'x'])(answered)).toEqual([])
    expect(reply(2)(asked)).toEqual([])
    expect(retry(1, 1)(answered)).toEqual([])
  })
})

describe('recording a return', () => {
  const calling = grown(queued(), start(1), reply(1, ['a', 'web_search'], ['b', 'send_message']))

  it('of one call of several says nothing about what comes next', () => {
    expect(give(1, 0)(calling)).toEqual([{ type: 'ToolReturned', payload: returned(1, 0) }])
  })

  it('of the last call carries the next request, with what its returns have told the model', () => {
    const seen = grown(queued(), start(1, requested(1, { 'block-1': 3, 'block-2': 5 })))
    const two = grown(seen, reply(1, ['a', 'memory_insert'], ['b', 'memory_insert']))
    const one = grown(two, give(1, 1, { seen: { 'block-1': 5 } }))
    expect(give(1, 0, { seen: { 'block-1': 4 } })(one)).toMatchObject([
      { type: 'ToolReturned' },
      { type: 'ModelRequested', payload: { step: 2, seen: { 'block-1': 5, 'block-2': 5 } } },
    ])
  })

  it('of the last call carries the end after a terminal tool, if that succeeded', () => {
    const one = grown(calling, give(1, 0))
    expect(give(1, 1)(one)).toMatchObject([
      { type: 'ToolReturned' },
      { type: 'TurnCompleted', payload: { stop_reason: 'tool_rule' } },
    ])
    expect(types(give(1, 1, { status: 'error' })(one))).toEqual(['ToolReturned', 'ModelRequested'])
  })

  it('of the last step that is allowed carries the end', () => {
    const last = grown(queued({ max_steps: 1 }), start(1), reply(1, ['a', 'web_search']))
    expect(give(1, 0)(last)).toMatchObject([
      { type: 'ToolReturned' },
      { type: 'TurnCompleted', payload: { stop_reason: 'max_steps' } },
    ])
  })

  it('happens once for a call', () => {
    const one = grown(calling, give(1, 0))
    expect(give(1, 0)(one)).toEqual([])
    expect(give(2, 0)(one)).toEqual([])
    expect(give(1, 7)(one)).toEqual([])
  })
})

describe('failing a turn', () => {
  it('says what it had used until then, and happens once', () => {
    const calling = grown(queued(), start(1), reply(1, ['a', 'web_search']))
    expect(fail(calling)).toMatchObject([{ type: 'TurnFailed', payload: { usage: USAGE } }])
    expect(fail(grown(calling, fail))).toEqual([])
  })
})
