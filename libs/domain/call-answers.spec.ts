import { describe, expect, it } from '@jest/globals'
import {
  answer,
  askCancel,
  by,
  expire,
  give,
  grown,
  park,
  queued,
  reply,
  requeue,
  start,
  USER,
} from '../../test/support/turn-commands.js'
import { answerCalls } from './call-answers.js'
import { type TurnState, waitingCalls } from './turn.js'
import type { TurnEvent } from './turn-events.js'
import { nextAction } from './turn-steps.js'

const types = (events: readonly TurnEvent[]): string[] => events.map((event) => event.type)
const next = (state: TurnState, epoch = state.epoch) => nextAction(state, epoch, by.now).do
const given = (toolCallId: string, args: string | null = null) => ({
  toolCallId,
  answer: { kind: 'given', args } as const,
})
const denied = (toolCallId: string, reason: string | null = null) => ({
  toolCallId,
  answer: { kind: 'denied', reason } as const,
})
const returned = (toolCallId: string, result: string) => ({
  toolCallId,
  answer: { kind: 'returned', status: 'success', result } as const,
})

const TOOLS = { client_tools: [{ name: 'open_door', description: '', parameters: {} }] }
const asked = grown(queued(TOOLS), start(1))
const CALLS = [
  ['a', 'delete_file'],
  ['b', 'memory_insert'],
  ['c', 'delete_file'],
] as const
const waiting = grown(asked, reply(1, ...CALLS))
const atDoor = grown(asked, reply(1, ['d', 'open_door']))

describe('calls that need an answer', () => {
  it('are asked about in the commit that records them, and park the turn until then', () => {
    expect(reply(1, ...CALLS)(asked).slice(3)).toMatchObject([
      { type: 'ToolCalled', payload: { tool_call_id: 'c' } },
      { type: 'ApprovalRequested', payload: { step: 1, tool_call_ids: ['a', 'c'] } },
      { type: 'TurnParked', payload: { reason: 'approval', until: null } },
    ])
    expect(waiting).toMatchObject({ status: 'parked', stopReason: 'requires_approval' })
    expect(types(reply(1, ['d', 'open_door'])(asked))).toContain('ApprovalRequested')
    expect(types(reply(1, ['b', 'memory_insert'])(asked))).not.toContain('ApprovalRequested')
  })

  it('keep every call of their step from being made', () => {
    expect(next(waiting)).toBe('nothing')
    expect(give(1, 1)(waiting)).toEqual([])
    const one = grown(waiting, answer([given('a')]))
    expect([next(one), give(1, 1)(one)]).toEqual(['nothing', []])
    expect(one.stopReason).toBe('requires_approval')
  })

  it('go on waiting when somebody claims the agent', () => {
    expect(next(waiting, 2)).toBe('start')
    expect(start(2)(waiting)).toMatchObject([
      { type: 'TurnResumed', payload: { epoch: 2 } },
      { type: 'TurnParked', payload: { reason: 'approval', until: null } },
    ])
    expect(next(grown(waiting, start(2)))).toBe('nothing')
  })

  it('end with their turn: cancelled, or at its deadline; tried again, it asks again', () => {
    expect(types(askCancel(waiting))).toEqual(['TurnCancelRequested', 'TurnCancelled'])
    const bounded = grown(queued({}, by.now), start(1), reply(1, ...CALLS))
    const failed = grown(bounded, expire(by.now, false))
    expect(failed.status).toBe('failed')
    for (const ended of [failed, grown(waiting, askCancel)]) {
      expect(answer([given('a')])(ended)).toEqual([])
    }
    const again = grown(failed, requeue, start(2))
    expect(again).toMatchObject({ status: 'parked', stopReason: 'requires_approval' })
  })

  it('are not mistaken for a model that is waited for', () => {
    const pausing = grown(asked, park(1, 1, by.now))
    expect(pausing).toMatchObject({ status: 'parked', stopReason: null })
    expect(types(start(2)(pausing))).toEqual(['TurnResumed'])
  })
})

describe('an answer', () => {
  it('says who, what to do and what not, in one event for each', () => {
    const to = [given('a', '{"x":1}'), denied('c', 'no')]
    expect(answerCalls(waiting, { step: 1, to }, USER)).toEqual({
      ok: true,
      value: [
        {
          type: 'ApprovalGiven',
          payload: { step: 1, tool_call_ids: ['a'], by: USER, args: { a: '{"x":1}' } },
        },
        {
          type: 'ApprovalDenied',
          payload: { step: 1, tool_call_ids: ['c'], by: USER, reason: 'no' },
        },
      ],
    })
    const both = answer([denied('a'), denied('c')])(waiting)
    expect(both).toMatchObject([{ payload: { tool_call_ids: ['a', 'c'], reason: null } }])
  })

  it('leaves the model its own words, and lets all calls be made in their order', () => {
    const ready = grown(waiting, answer([given('a', '{"x":1}')]), answer([denied('c')]))
    expect(ready.steps[0]?.calls).toMatchObject([
      { arguments: '{}', answer: { kind: 'given', args: '{"x":1}', by: USER } },
      { arguments: '{}' },
      { answer: { kind: 'denied', reason: null } },
    ])
    expect(ready.stopReason).toBeNull()
    expect(waitingCalls(ready)).toEqual([])
    const resumed = grown(ready, start(2))
    expect(nextAction(resumed, 2, by.now)).toMatchObject({
      do: 'call',
      calls: [{ index: 0 }, { index: 1 }, { index: 2 }],
    })
  })

  it('may be one for all that were asked about', () => {
    const ready = grown(waiting, answer({ kind: 'given', args: null }, 1))
    expect(ready.steps[0]?.calls.map((call) => call.answer?.kind)).toEqual([
      'given',
      undefined,
      'given',
    ])
  })

  it('is given once, to a call that waits, and otherwise to none', () => {
    const one = grown(waiting, answer([given('a')]))
    const ready = grown(one, answer([given('c')]))
    const code = (state: TurnState, ...to: ReturnType<typeof given | typeof denied>[]) =>
      answerCalls(state, { step: null, to }, USER)
    for (const refused of [
      code(one, given('a')),
      code(one, denied('a')),
      code(waiting, given('a'), given('a')),
      code(waiting, given('a'), given('b')),
      code(waiting, given('nobody')),
      code(ready, denied('c')),
      code(grown(asked, reply(1)), given('a')),
      answerCalls(waiting, { step: 0, to: [given('a')] }, USER),
      answerCalls(ready, { step: 1, to: { kind: 'given', args: null } }, USER),
    ]) {
      expect(refused).toMatchObject({ ok: false, rejection: { code: 'unknown_tool_call' } })
    }
  })

  it('to a tool of the caller is its return, or no; it cannot be told to run', () => {
    expect(answer([returned('d', 'open')])(atDoor)).toMatchObject([
      { type: 'ToolAnswered', payload: { tool_call_id: 'd', status: 'success', result: 'open' } },
    ])
    expect(types(answer([denied('d')])(atDoor))).toEqual(['ApprovalDenied'])
    expect(answerCalls(atDoor, { step: null, to: [given('d')] }, USER)).toMatchObject({
      ok: false,
      rejection: { code: 'invalid_argument' },
    })
  })
})
