import type { Usage } from '#domain/turn-events.js'
import type { RunResult } from '#read-models/run-result.js'
import { type MessageView, renderMessages } from './message-wire.js'
import { runError } from './run-wire.js'

/**
 * The answer to a message call. `stop_reason` and `usage` are never null, also after a failure: both
 * clients read them without asking.
 *
 * @param view how this caller wants to see the messages; by default as the run was asked for.
 */
export function renderLettaResponse(
  { run, messages, contextTokens }: RunResult,
  view: MessageView = run.options,
): Record<string, unknown> {
  return {
    messages: renderMessages(messages, view),
    stop_reason: { message_type: 'stop_reason', stop_reason: run.stop_reason ?? 'error' },
    usage: usageStatistics({
      usage: run.usage,
      stepCount: run.step_count,
      runId: run.run_id,
      contextTokens,
    }),
    logprobs: null,
    turns: null,
    // A failure after the headers have no other place to be said.
    ...(run.failure ? { error: runError(run.failure) } : {}),
  }
}

/** @param contextTokens null: no model has answered, so nothing is known of it. */
export function usageStatistics({
  usage,
  stepCount,
  runId,
  contextTokens,
}: {
  readonly usage: Usage
  readonly stepCount: number
  readonly runId: string
  readonly contextTokens: number | null
}): Record<string, unknown> {
  const answered = contextTokens !== null
  return {
    message_type: 'usage_statistics',
    completion_tokens: usage.completion_tokens,
    prompt_tokens: usage.prompt_tokens,
    total_tokens: usage.total_tokens,
    step_count: stepCount,
    run_ids: [runId],
    cached_input_tokens: answered ? usage.cached_input_tokens : null,
    cache_write_tokens: answered ? 0 : null,
    reasoning_tokens: answered ? usage.reasoning_tokens : null,
    context_tokens: contextTokens,
  }
}
