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
import { draft } from './draft.js'
import {
  addUsage,
  DEFAULT_OPTIONS,
  evolveTurn,
  initialTurn,
  NO_USAGE,
  type TurnState,
} from './turn.js'
import type { TurnEvent } from './turn-events.js'

const at = (now: string, state: TurnState, ...events: TurnEvent[]) =>
  draft(state, events, { ...by, now })
const asked = at('10:01', grown(queued(), start(1, null)), {
  type: 'ModelRequested',
  payload: requested(1, { 'block-1': 3 }),
})
const STEP = {
  step: 1,
  model: 'openai/gpt-4o-mini',
  seen: { 'block-1': 3 },
  agentVersion: 1,
  history: { omitted: 0, from_message_id: null },
  delta: null,
  contextHash: 'context 1',
  requestedAt: '10:01',
  respondedAt: null,
  reply: null,
  usage: null,
  retries: 0,
  notBefore: null,
  calls: [],
}

describe('the journal of a turn', () => {
  it('is empty before it is queued', () => {
    expect(initialTurn(RUN)).toEqual({
      id: RUN,
      version: 0,
      agentId: '',
      budget: { max_steps: 50 },
      deadline: null,
      parked: null,
      cancelRequested: null,
      status: 'none',
      input: [],
      options: {
        max_steps: 50,
        override_model: null,
        override_system: null,
        use_assistant_message: true,
        assistant_message_tool_name: 'send_message',
        assistant_message_tool_kwarg: 'message',
        include_return_message_types: null,
        background: false,
      },
      requestHash: null,
      source: 'rest',
      epoch: 0,
      attempts: 0,
      attemptsWithoutProgress: 0,
      steps: [],
      compactions: [],
      stopReason: null,
      failure: null,
      usage: NO_USAGE,
      simulated: false,
      queuedAt: '',
      startedAt: null,
      doneAt: null,
    })
  })

  it('holds what was asked, when it is queued', () => {
    const payload = {
      ...queuedPayload({ max_steps: 7 }),
      request_hash: 'hash',
      source: 'mcp' as const,
    }
    expect(at('10:00', initialTurn(RUN), { type: 'TurnQueued', payload })).toEqual({
      ...initialTurn(RUN),
      version: 1,
      agentId: 'agent-1',
      status: 'queued',
      input: payload.input,
      options: { ...DEFAULT_OPTIONS, max_steps: 7 },
      requestHash: 'hash',
      source: 'mcp',
      queuedAt: '10:00',
    })
  })

  it('counts its starts, and keeps the time of the first', () => {
    const started = (epoch: number, attempt: number): TurnEvent => ({
      type: 'TurnStarted',
      payload: { worker_id: 'w', epoch, attempt },
    })
    const twice = at('10:02', at('10:01', queued(), started(4, 1)), started(6, 2))
    expect(twice).toEqual({
      ...queued(),
      version: 3,
      status: 'running',
      epoch: 6,
      attempts: 2,
      attemptsWithoutProgress: 2,
      startedAt: '10:01',
    })
  })

  it('holds each request to the model as a step', () => {
    expect(asked.steps).toEqual([STEP])
    const two = at('10:09', asked, { type: 'ModelRequested', payload: requested(2) })
    expect(two.steps).toEqual([
      STEP,
      { ...STEP, step: 2, seen: {}, contextHash: 'context 2', requestedAt: '10:09' },
    ])
  })

  it('holds the answer in its step, adds up what was used, and counts as progress', () => {
    const second = at('10:02', asked, { type: 'ModelRequested', payload: requested(2) })
    const response = { content: 'x', reasoning: 'r', tool_calls: [], finish_reason: 'stop' }
    const responded = (simulated?: true): TurnEvent => ({
      type: 'ModelResponded',
      payload: {
        step: 2,
        response,
        usage: USAGE,
        latency_ms: 1,
        provider_response_id: null,
        ...(simulated && { simulated }),
      },
    })
    const answered = at('10:03', second, responded())
    expect(answered).toEqual({
      ...second,
      version: second.version + 1,
      attemptsWithoutProgress: 0,
      usage: USAGE,
      steps: [STEP, { ...second.steps[1], reply: response, usage: USAGE, respondedAt: '10:03' }],
    })
    const again = at('10:04', at('10:04', answered, responded(true)), responded())
    expect([again.usage, again.simulated]).toEqual([addUsage(USAGE, addUsage(USAGE, USAGE)), true])
    expect(answered.simulated).toBe(false)
  })

  it('holds calls and returns in the last step, each with its index', () => {
    const called = (index: number): TurnEvent => ({
      type: 'ToolCalled',
      payload: { step: 1, index, tool_call_id: `call_${index}`, name: 'x', args: `{"n":${index}}` },
    })
    const calling = at('10:02', asked, called(0), called(1))
    const call = (index: number) => ({
      index,
      tool_call_id: `call_${index}`,
      name: 'x',
      arguments: `{"n":${index}}`,
      returned: null,
    })
    expect(calling.steps).toEqual([{ ...STEP, calls: [call(0), call(1)] }])
    expect(calling.attemptsWithoutProgress).toBe(1)
    const one = at('10:03', calling, { type: 'ToolReturned', payload: returned(1, 1) })
    expect(one.steps).toEqual([
      { ...STEP, calls: [call(0), { ...call(1), returned: returned(1, 1) }] },
    ])
    expect(one.attemptsWithoutProgress).toBe(0)
  })

  it('counts retries of its last step, and says before when there is none', () => {
    const two = at('10:02', asked, { type: 'ModelRequested', payload: requested(2) })
    const waits = (not_before: string): TurnEvent => ({
      type: 'ModelRetryScheduled',
      payload: { step: 2, class: 'c', attempt: 1, not_before },
    })
    const again = at('10:03', two, waits('10:05'), waits('10:08'))
    expect(again.steps).toEqual([STEP, { ...two.steps[1], retries: 2, notBefore: '10:08' }])
    expect(again.attemptsWithoutProgress).toBe(1)
  })

  it('says how it ended and when', () => {
    const end = (event: TurnEvent) => at('10:05', asked, event)
    expect(
      end({ type: 'TurnCompleted', payload: { stop_reason: 'max_steps', usage: USAGE } }),
    ).toEqual({
      ...asked,
      version: asked.version + 1,
      status: 'completed',
      stopReason: 'max_steps',
      doneAt: '10:05',
    })
    const failed = {
      class: 'c',
      retriable: false,
      detail: 'd',
      stop_reason: 'error' as const,
      usage: USAGE,
      facts: { a: 1 },
    }
    expect(end({ type: 'TurnFailed', payload: failed })).toEqual({
      ...asked,
      version: asked.version + 1,
      status: 'failed',
      stopReason: 'error',
      failure: { class: 'c', detail: 'd', facts: { a: 1 } },
      doneAt: '10:05',
    })
    const dead = { attempts: 3, last_error: 'stuck', usage: USAGE }
    expect(end({ type: 'TurnDeadLettered', payload: dead })).toEqual({
      ...asked,
      version: asked.version + 1,
      status: 'dead_lettered',
      stopReason: 'error',
      failure: { class: 'Poison', detail: 'stuck', facts: {} },
      doneAt: '10:05',
    })
  })

  it('is never changed in place', () => {
    const states = [queued()]
    for (const step of [
      start(1),
      retry(1, 1),
      reply(1, ['a', 'x'], ['b', 'x']),
      give(1, 0),
      give(1, 1),
      fail,
    ]) {
      const before = states.at(-1) as TurnState
      const copy = structuredClone(before)
      states.push(grown(before, step))
      expect(before).toEqual(copy)
    }
    const event = { version: 99, actor: by.actor, correlation: null, recordedAt: 'then' }
    const none = evolveTurn(initialTurn(RUN), {
      type: 'ToolReturned',
      payload: returned(1, 0),
      ...event,
    })
    expect(none).toEqual({ ...initialTurn(RUN), version: 99 })
  })
})

describe('usage', () => {
  it('is added up field by field', () => {
    const a = {
      prompt_tokens: 1,
      completion_tokens: 20,
      total_tokens: 300,
      cached_input_tokens: 4_000,
      reasoning_tokens: 50_000,
    }
    const b = {
      prompt_tokens: 2,
      completion_tokens: 30,
      total_tokens: 400,
      cached_input_tokens: 5_000,
      reasoning_tokens: 60_000,
    }
    expect(addUsage(a, b)).toEqual({
      prompt_tokens: 3,
      completion_tokens: 50,
      total_tokens: 700,
      cached_input_tokens: 9_000,
      reasoning_tokens: 110_000,
    })
    expect(addUsage(NO_USAGE, a)).toEqual(a)
  })
})
