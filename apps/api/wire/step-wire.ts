import type { StepRow } from '#read-models/steps.js'

/** Why a model stopped, in the wire's words; a step that goes on with tool calls has not stopped. */
const STOP_REASONS: Readonly<Record<string, string | null>> = {
  stop: 'end_turn',
  tool_calls: null,
  length: 'max_tokens_exceeded',
  content_filter: 'invalid_llm_response',
}

/** A step: one model call of a run. */
export function renderStep(step: StepRow): Record<string, unknown> {
  const { usage, name: handle } = step
  const slash = handle.indexOf('/')
  const error = step.error as { class?: string } | null
  return {
    id: step.step_id,
    run_id: step.run_id,
    agent_id: step.agent_id,
    origin: null,
    provider_id: null,
    provider_name: slash < 0 ? null : handle.slice(0, slash),
    provider_category: 'base',
    model: handle.slice(slash + 1),
    model_handle: handle,
    model_endpoint: null,
    context_window_limit: null,
    completion_tokens: usage?.completion_tokens ?? null,
    prompt_tokens: usage?.prompt_tokens ?? null,
    total_tokens: usage?.total_tokens ?? null,
    cached_input_tokens: usage?.cached_input_tokens ?? null,
    cache_write_tokens: usage ? 0 : null,
    reasoning_tokens: usage?.reasoning_tokens ?? null,
    completion_tokens_details: usage && { reasoning_tokens: usage.reasoning_tokens },
    prompt_tokens_details: usage && { cached_tokens: usage.cached_input_tokens },
    stop_reason: stopReason(step.stop_reason),
    tags: [],
    tid: null,
    trace_id: null,
    request_id: null,
    messages: [],
    feedback: null,
    project_id: null,
    error_type: error?.class ?? null,
    error_data: error,
    status: step.status,
  }
}

function stopReason(reason: string | null): string | null {
  if (reason === null) return null
  return Object.hasOwn(STOP_REASONS, reason) ? (STOP_REASONS[reason] ?? null) : reason
}
