import { describe, expect, it } from '@jest/globals'
import {
  askCancel,
  grown,
  queued,
  reply,
  requested,
  retry,
  start,
  USAGE,
} from '../../test/support/turn-commands.js'
import type { TurnState } from './turn.js'
import { recordSummary, requestCompaction } from './turn-compaction.js'
import type { TurnEvent } from './turn-events.js'
import { type CompactionPayload, nextAction, startTurn } from './turn-steps.js'

const NOW = '2026-01-05T09:00:00.000Z'
const asks = (step: number, reason: 'window' | 'overflow'): CompactionPayload => ({
  ...{ step, reason, model: 'openai/gpt-4o-mini', through_run_id: 'run-1' },
  ...{ tokens_before: 100, tokens_kept: 40 },
})
const compacting = (state: TurnState) =>
  startTurn(state, { workerId: 'worker-1', epoch: 1 }, requested(1), asks(1, 'window'))
const overflow = (step: number) => (state: TurnState) =>
  requestCompaction(state, asks(step, 'overflow'))
const summarised = (step: number) => (state: TurnState) =>
  recordSummary(state, {
    ...{ step, summary: 'in short', tokens_after: 50, usage: USAGE, latency_ms: 1 },
    provider_response_id: null,
  })
const types = (events: readonly TurnEvent[]) => events.map(({ type }) => type)
const next = (state: TurnState) => nextAction(state, state.epoch, NOW).do

describe('a turn whose prompt does not fit', () => {
  const begun = grown(queued(), compacting)

  it('asks for a summary first, and only then for its step', () => {
    expect(types(compacting(queued()))).toEqual(['TurnStarted', 'CompactionRequested'])
    expect(next(begun)).toBe('compact')
    expect(types(start(1)(begun))).toEqual([])
    expect(types(reply(1)(begun))).toEqual([])
    const compacted = grown(begun, summarised(1))
    expect(next(compacted)).toBe('start')
    expect(compacted.usage).toEqual(USAGE)
    expect(types(compacting(compacted))).toEqual(['ModelRequested'])
    expect(next(grown(compacted, start(1)))).toBe('ask')
  })

  it('records one summary, and after a resume goes on from it', () => {
    const compacted = grown(begun, summarised(1))
    expect(summarised(1)(compacted)).toEqual([])
    expect(types(start(2)(compacted))).toEqual(['TurnStarted', 'ModelRequested'])
    expect(types(start(2)(begun))).toEqual(['TurnStarted'])
    expect(next(grown(begun, start(2)))).toBe('compact')
  })

  it('repeats a failed call for a summary as it repeats those of a step', () => {
    const retried = grown(begun, retry(1, 1))
    expect(retried.compactions).toMatchObject([{ retries: 1, summary: null }])
    expect(retry(1, 1)(retried)).toEqual([])
    expect(types(retry(1, 2)(retried))).toEqual(['ModelRetryScheduled'])
  })

  it('ends with its summary when it was asked to end meanwhile', () => {
    expect(types(summarised(1)(grown(begun, askCancel)))).toEqual([
      ...['ContextCompacted', 'TurnCancelled'],
    ])
  })
})

describe('a turn whose request the provider finds too long', () => {
  const asked = grown(queued(), start(1))

  it('makes room once, and asks the same step again', () => {
    const again = grown(asked, overflow(1), summarised(1), start(1))
    expect(again.steps).toMatchObject([{ step: 1, retries: 1, reply: null }])
    expect(next(again)).toBe('ask')
    expect(overflow(1)(again)).toEqual([])
    expect(types(reply(1)(again))).toEqual(['ModelResponded', 'TurnCompleted'])
  })

  it('makes none for a step that is answered, or another one', () => {
    expect(overflow(2)(asked)).toEqual([])
    expect(overflow(1)(grown(asked, reply(1)))).toEqual([])
  })
})
