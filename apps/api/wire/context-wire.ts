import type { SentContext } from '#turns/sent-context.js'

/**
 * What the model was sent at a step. Where the request made again is another than the one recorded,
 * `verified` is false and `differs_in` says where.
 */
export function renderContext(runId: string, { step, request, recorded, verified }: SentContext) {
  const { model, messages, tools, maxOutputTokens, temperature, parallelToolCalls } = request
  const isVerified = verified.messages && verified.request
  return {
    object: 'context',
    run_id: runId,
    step,
    model,
    messages,
    tools,
    max_output_tokens: maxOutputTokens ?? null,
    temperature: temperature ?? null,
    parallel_tool_calls: parallelToolCalls ?? null,
    ...recorded,
    verified: isVerified,
    differs_in: isVerified ? null : verified.messages ? 'request' : 'messages',
  }
}
