import { describe, expect, it } from '@jest/globals'
import {
  askCancel,
  by,
  cancel,
  expire,
  fail,
  give,
  grown,
  park,
  queued,
  reply,
  requested,
  requeue,
  start,
  USAGE,
} from '../../test/support/turn-commands.js'
import type { TurnState } from './turn.js'
import type { TurnEvent } from './turn-events.js'
import { nextAction, requestCancel, requeueTurn, startTurn } from './turn-steps.js'

const types = (events: readonly TurnEvent[]): string[] => events.map((event) => event.type)
const next = (state: TurnState, epoch = state.epoch, now: string = by.now): string =>
  nextAction(state, epoch, now).do

const LATER = '2026-01-05T09:30:00.000Z'
const DEADLINE = '2026-01-05T10:00:00.000Z'
const asked = grown(queued(), start(1))
const calling = grown(asked, reply(1, ['a', 'web_search'], ['b', 'memory_insert']))
const parked = grown(asked, park(1, 1, LATER))

describe('cancelling a turn', () => {
  it('ends one that waits at once', () => {
    for (const waiting of [queued(), parked]) {
      expect(types(askCancel(waiting))).toEqual(['TurnCancelRequested', 'TurnCancelled'])
      expect(grown(waiting, askCancel)).toMatchObject({
        status: 'cancelled',
        stopReason: 'cancelled',
        doneAt: by.now,
      })
    }
  })

  it('is for its worker to carry out while it runs, before anything else', () => {
    const told = grown(calling, askCancel)
    expect(told.status).toBe('running')
    expect(next(told)).toBe('cancel')
    expect(next(told, 2)).toBe('cancel')
    expect(types(cancel(told))).toEqual(['TurnCancelled'])
  })

  it('keeps what has been done, and is said with who asked, where it stood and what it used', () => {
    const told = grown(calling, askCancel)
    expect(cancel(told)).toEqual([
      {
        type: 'TurnCancelled',
        payload: { by: { kind: 'user', id: 'ann' }, at_step: 1, usage: USAGE },
      },
    ])
  })

  it('ends it with the answer that comes meanwhile, which was paid for', () => {
    const told = grown(asked, askCancel)
    for (const answer of [reply(1), reply(1, ['a', 'web_search'])]) {
      const events = answer(told)
      expect(types(events)).toEqual(['ModelResponded', 'TurnCancelled'])
      expect(events[1]).toMatchObject({ payload: { at_step: 1, usage: USAGE } })
    }
  })

  it('ends it with the return that comes meanwhile, whose edit is made', () => {
    expect(types(give(1, 1)(grown(calling, askCancel)))).toEqual(['ToolReturned', 'TurnCancelled'])
  })

  it('happens once, and not to one that is over or was never there', () => {
    expect(askCancel(grown(asked, askCancel))).toEqual([])
    expect(askCancel(grown(asked, reply(1)))).toEqual([])
    expect(requestCancel({ ...queued(), status: 'none' }, { by: by.actor })).toEqual([])
    expect(cancel(asked)).toEqual([])
    expect(cancel(grown(queued(), askCancel))).toEqual([])
  })
})

describe('parking a turn', () => {
  it('says for what and until when, with the retry it waits for', () => {
    const events = park(1, 1, LATER)(asked)
    expect(types(events)).toEqual(['ModelRetryScheduled', 'TurnParked'])
    expect(events[1]).toMatchObject({ payload: { reason: 'model_retry', until: LATER } })
    expect(parked).toMatchObject({ status: 'parked', parked: { until: LATER } })
  })

  it('does not wait past the deadline', () => {
    const due = grown(queued({}, '2026-01-05T09:10:00.000Z'), start(1))
    expect(park(1, 1, LATER)(due)[1]).toMatchObject({
      payload: { until: '2026-01-05T09:10:00.000Z' },
    })
  })

  it('leaves it to whoever claims the agent next', () => {
    expect(next(parked, 1)).toBe('nothing')
    expect(next(parked, 2)).toBe('start')
    const events = startTurn(parked, { workerId: 'worker-2', epoch: 2 }, requested(1))
    expect(events).toEqual([
      { type: 'TurnResumed', payload: { worker_id: 'worker-2', epoch: 2, from_step: 1 } },
    ])
    expect(next(grown(parked, start(2)))).toBe('ask')
  })

  it('is no start: it does not wear the attempts out', () => {
    const { attempts, attemptsWithoutProgress } = grown(parked, start(2))
    expect({ attempts, attemptsWithoutProgress }).toEqual({
      attempts: 1,
      attemptsWithoutProgress: 1,
    })
  })

  it('does not happen to a turn that is to be cancelled', () => {
    expect(types(park(1, 1, LATER)(grown(asked, askCancel)))).toEqual(['ModelRetryScheduled'])
  })
})

describe('a deadline', () => {
  it('comes before everything but a cancellation, from its very millisecond on', () => {
    const due = grown(queued({}, DEADLINE), start(1))
    expect(next(due, 1, '2026-01-05T09:59:59.999Z')).toBe('ask')
    expect(next(due, 1, DEADLINE)).toBe('expire')
    expect(next(grown(due, askCancel), 1, DEADLINE)).toBe('cancel')
    expect(next(queued({}, DEADLINE), 1, DEADLINE)).toBe('expire')
  })

  it('ends the turn, and says so', () => {
    const due = grown(queued({}, DEADLINE), start(1), expire(DEADLINE))
    expect(due).toMatchObject({
      status: 'failed',
      stopReason: 'error',
      failure: { class: 'Deadline', facts: { deadline: DEADLINE } },
    })
  })

  it('is not over before its time, or without one', () => {
    expect(expire(by.now)(queued({}, DEADLINE))).toEqual([])
    expect(expire(DEADLINE)(queued())).toEqual([])
  })

  it('of a running turn is its worker’s alone to keep', () => {
    const due = grown(queued({}, DEADLINE), start(1))
    expect(expire(DEADLINE, false)(due)).toEqual([])
    expect(types(expire(DEADLINE, false)(queued({}, DEADLINE)))).toEqual(['TurnFailed'])
    expect(types(expire(DEADLINE, false)(grown(due, park(1, 1, LATER))))).toEqual(['TurnFailed'])
  })
})

describe('trying a failed turn again', () => {
  const failed = grown(calling, give(1, 0), fail)

  it('goes on from its last recorded step', () => {
    expect(types(requeue(failed))).toEqual(['TurnRequeued'])
    const again = grown(failed, requeue)
    expect(again).toMatchObject({
      status: 'queued',
      stopReason: null,
      failure: null,
      doneAt: null,
      attemptsWithoutProgress: 0,
      usage: USAGE,
    })
    expect(next(again, 2)).toBe('start')
    const going = grown(again, start(2))
    expect(nextAction(going, 2, by.now)).toMatchObject({ do: 'call', calls: [{ index: 1 }] })
  })

  it('forgets that it was to be cancelled, and that it was parked', () => {
    const due = grown(queued({}, DEADLINE), start(1), park(1, 1, LATER), expire(DEADLINE))
    expect(grown(due, requeue)).toMatchObject({ status: 'queued', parked: null })
    expect(grown(asked, askCancel, fail, requeue).cancelRequested).toBeNull()
  })

  it('gives a dead-lettered turn its attempts back', () => {
    const dead = grown(queued(), start(1, null), start(2, null), start(3, null), start(4, null))
    expect(dead.status).toBe('dead_lettered')
    expect(grown(dead, requeue, start(5)).status).toBe('running')
  })

  it('is refused for one that did not fail', () => {
    for (const state of [
      queued(),
      asked,
      parked,
      grown(asked, reply(1)),
      grown(queued(), askCancel),
    ]) {
      expect(requeueTurn(state, by.actor)).toMatchObject({
        ok: false,
        rejection: { code: 'run_not_failed', facts: { status: state.status } },
      })
    }
  })
})
