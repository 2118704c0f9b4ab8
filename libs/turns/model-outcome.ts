import type { TurnChange } from '#commands/change-turn.js'
import type { StepState } from '#domain/turn.js'
import type { ModelFailure, ModelResponse } from './ports.js'
import { pauseBeforeRetry } from './retry.js'

/** Longer pauses than this free the worker's place: the turn is parked. */
export const PAUSE_HELD_MS_MAX = 2_000

/** What a model's answer is recorded as. */
export function replyPayload({ step }: StepState, response: ModelResponse, latency_ms: number) {
  const { content, reasoning, toolCalls, finishReason, usage, providerResponseId } = response
  const tool_calls = toolCalls.map(({ id, name, arguments: args }) => ({
    tool_call_id: id,
    name,
    arguments: args,
  }))
  return {
    step,
    response: { content, reasoning, tool_calls, finish_reason: finishReason },
    usage,
    latency_ms,
    provider_response_id: providerResponseId,
    ...(response.simulated ? { simulated: true as const } : {}),
    ...(response.repaired ? { repaired: true as const } : {}),
  }
}

/**
 * What a failed call comes to: the same call again after a pause, or the turn's end.
 *
 * @param random between 0 and 1
 * @param now milliseconds since 1970
 */
export function afterFailure(
  { step, retries }: Pick<StepState, 'step' | 'retries'>,
  failure: ModelFailure,
  random: number,
  now: number,
): Extract<TurnChange, { type: 'ScheduleRetry' | 'FailTurn' }> {
  const attempt = retries + 1
  const { failureClass, message, detail } = failure
  const pauseMs = pauseBeforeRetry(failure, attempt, random)
  if (pauseMs === null) {
    const { provider, upstreamStatus: upstream_status, retryAfterMs: retry_after_ms } = detail
    const facts = { provider, upstream_status, retry_after_ms, attempts: attempt }
    const ended = { class: failureClass, retriable: false, stop_reason: 'llm_api_error' as const }
    return { type: 'FailTurn', failure: { ...ended, detail: message, facts } }
  }
  const not_before = new Date(now + pauseMs).toISOString()
  const payload = { step, class: failureClass, attempt, not_before }
  return { type: 'ScheduleRetry', payload, parks: pauseMs > PAUSE_HELD_MS_MAX }
}
