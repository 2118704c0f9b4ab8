import type { CompactionState } from '#domain/compaction.js'
import type { CompactionReason } from '#domain/compaction-events.js'
import type { StepState } from '#domain/turn.js'
import type { SummaryPayload } from '#domain/turn-compaction.js'
import type { CompactionPayload } from '#domain/turn-steps.js'
import { planCompaction, roomAfterOverflow, roomInWindow } from './compaction-plan.js'
import { estimateTokens, fixedTokens, messageTokens, summaryText } from './context.js'
import { ModelFailure, type ModelRequest, type ModelResponse } from './ports.js'
import { summaryMessages } from './summary-request.js'
import { FILLED_SHARE, type TurnContext, tokensLeft } from './turn-context.js'

/**
 * What a turn asks to have summarised, so that its request fits.
 *
 * @returns null when no older message could give way
 */
export function compactionOf(
  context: TurnContext,
  step: number,
  reason: CompactionReason,
): CompactionPayload | null {
  const { past, prompt, agent, model, history } = context
  const fixed = fixedTokens(prompt)
  const inWindow = roomInWindow(agent.settings.context_window_limit, fixed, FILLED_SHARE)
  const room = reason === 'window' ? inWindow : roomAfterOverflow(past, inWindow.usual)
  const plan = planCompaction(past, room)
  if (!plan) return null
  const earlier = prompt.summary === null ? 0 : estimateTokens(summaryText(prompt.summary))
  return {
    step,
    reason,
    model,
    through_run_id: plan.throughRunId,
    ...(history.summary_message_id ? { summary_message_id: history.summary_message_id } : {}),
    tokens_before: fixed + earlier + messageTokens(past),
    tokens_kept: fixed + messageTokens(plan.kept),
  }
}

/** One plain call, without tools, of the model that the turn asks. */
export function summaryRequest(
  context: TurnContext,
  { model, throughRunId }: CompactionState,
  steps: readonly StepState[],
): ModelRequest {
  const { past, prompt, agent, tokensMax } = context
  const end = past.findLastIndex(({ run_id }) => run_id === throughRunId) + 1
  const window = agent.settings.context_window_limit
  const messages = summaryMessages(prompt.summary, past.slice(0, end), window)
  const bound =
    tokensMax === null ? {} : { maxOutputTokens: tokensLeft(tokensMax, steps, messages) }
  return { model, messages, tools: [], ...bound }
}

/**
 * What a summary is recorded as, or the failure that an answer without one is.
 */
export function summaryPayload(
  { step, model, tokensKept }: CompactionState,
  response: ModelResponse,
  latency_ms: number,
): SummaryPayload | { readonly failure: ModelFailure } {
  const summary = response.content?.trim() ?? ''
  if (summary === '') return { failure: noSummary(model) }
  return {
    step,
    summary,
    tokens_after: tokensKept + estimateTokens(summaryText(summary)),
    usage: response.usage,
    latency_ms,
    provider_response_id: response.providerResponseId,
    ...(response.simulated ? { simulated: true as const } : {}),
    ...(response.repaired ? { repaired: true as const } : {}),
  }
}

function noSummary(model: string): ModelFailure {
  const detail = { provider: model.split('/')[0] ?? '', upstreamStatus: 200, retryAfterMs: null }
  return new ModelFailure('Provider.BadRequest', `${model} answered without a summary`, detail)
}
