import { failureCode } from '#domain/failure-class.js'
import { type RunRow, statusOf } from '#read-models/runs.js'
import { wireTime, wireTimeOrNull } from './time-wire.js'

type RunStatus = 'created' | 'running' | 'completed' | 'failed' | 'cancelled'

/** The turn's own words for each of the wire's: Letta has a run that waits for an answer completed. */
export const TURN_STATUSES: Readonly<Record<RunStatus, readonly string[]>> = {
  created: ['queued'],
  running: ['running', 'parked'],
  completed: ['completed', 'waiting'],
  failed: ['failed', 'dead_lettered'],
  cancelled: ['cancelled'],
}

const NANOSECONDS_PER_MS = 1_000_000

/** A run, in the shape of 1.x; 0.x reads it as its job. */
export function renderRun(run: RunRow): Record<string, unknown> {
  const { options } = run
  const run_type = options.background ? 'send_message_async' : 'send_message'
  return {
    id: run.run_id,
    agent_id: run.agent_id,
    status: runStatus(run),
    created_at: wireTime(run.queued_at),
    completed_at: wireTimeOrNull(run.done_at),
    conversation_id: null,
    background: options.background,
    metadata: {
      run_type,
      ...(run.simulated ? { simulated: true } : {}),
      ...(run.failure ? { error: runError(run.failure) } : {}),
    },
    request_config: {
      use_assistant_message: options.use_assistant_message,
      assistant_message_tool_name: options.assistant_message_tool_name,
      assistant_message_tool_kwarg: options.assistant_message_tool_kwarg,
      include_return_message_types: options.include_return_message_types,
    },
    stop_reason: run.stop_reason,
    callback_url: options.callback_url ?? null,
    callback_sent_at: wireTimeOrNull(run.callback_error ? null : (run.callback_sent_at ?? null)),
    callback_status_code: run.callback_status_code ?? null,
    callback_error: run.callback_error ?? null,
    base_template_id: null,
    ttft_ns: null,
    total_duration_ns: run.done_at
      ? (run.done_at.getTime() - run.queued_at.getTime()) * NANOSECONDS_PER_MS
      : null,
    job_type: 'run',
    simulated: run.simulated,
  }
}

/** What a run has used so far: not the statistics object of a response, it has no message type. */
export function renderRunUsage({ usage }: RunRow): Record<string, unknown> {
  return {
    completion_tokens: usage.completion_tokens,
    prompt_tokens: usage.prompt_tokens,
    total_tokens: usage.total_tokens,
    prompt_tokens_details: { cached_tokens: usage.cached_input_tokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoning_tokens },
  }
}

/** `type` is what a program switches on: an error code where there is one, else the failure's class. */
export function runError(failure: NonNullable<RunRow['failure']>): {
  readonly type: string
  readonly message: string
  readonly class: string
} {
  return { type: failureCode(failure.class), message: failure.detail, class: failure.class }
}

export function runStatus(run: Pick<RunRow, 'status' | 'stop_reason'>): RunStatus {
  const status = statusOf(run)
  const entries = Object.entries(TURN_STATUSES) as [RunStatus, readonly string[]][]
  return entries.find(([, own]) => own.includes(status))?.[0] ?? 'created'
}
