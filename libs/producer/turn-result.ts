import { z } from 'zod'

/** What a producer gets back. Fields may be added; none is taken away or changes its meaning. */

/** The queue for jobs about turns that were given up. */
export const DEAD_QUEUE = 'palimpsest-turns-dead'
export const DEAD_JOB = 'turn-dead.v1'
/** The job that a `reply_to` queue gets. */
export const DONE_JOB = 'turn-done.v1'
/** Bytes of a return value as JSON; what would be longer is left out and linked. */
export const RESULT_BYTES_MAX = 65_536

const usage = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  cached_input_tokens: z.int(),
  reasoning_tokens: z.int(),
})

const message = z.discriminatedUnion('role', [
  z.object({
    role: z.literal('assistant'),
    step: z.int(),
    content: z.string().nullable(),
    reasoning: z.string().nullable(),
    tool_calls: z.array(
      z.object({ tool_call_id: z.string(), name: z.string(), arguments: z.string() }),
    ),
  }),
  z.object({
    role: z.literal('tool'),
    step: z.int(),
    tool_call_id: z.string(),
    name: z.string(),
    status: z.enum(['success', 'error']),
    content: z.string(),
  }),
])

/** The return value of a job whose turn completed. */
export const turnResult = z.object({
  run_id: z.string(),
  agent_id: z.string(),
  status: z.literal('completed'),
  stop_reason: z.string(),
  /** What the agent and its tools said, in order; null where it is too long. */
  messages: z.array(message).nullable(),
  usage,
  /** Versions that the turn's calls wrote; null where they are too many. */
  edits: z.array(z.object({ block_id: z.string(), version: z.int() })).nullable(),
  /** Calls that were refused; null where they are too many. */
  rejected: z
    .array(
      z.object({
        tool_call_id: z.string(),
        name: z.string(),
        code: z.string(),
        blocks: z.array(z.object({ block_id: z.string(), version: z.int() })),
      }),
    )
    .nullable(),
  /** Cursors of GET /v1/events: behind the first stands the turn's first event, the second is its last one's. */
  event_range: z.tuple([z.string(), z.string()]),
  /** Where the whole of it is. */
  url: z.string(),
})
export type TurnResult = z.output<typeof turnResult>

/** Why a job failed: the JSON in its `failedReason`. */
export const turnFailure = z.object({
  class: z.string(),
  code: z.string(),
  message: z.string(),
  /** Whether the same message may succeed later, as a new job. */
  retriable: z.boolean(),
  /** Null where there never was a turn. */
  run_id: z.string().nullable(),
})
export type TurnFailure = z.output<typeof turnFailure>

/** The data of the job that a `reply_to` queue gets, with the id `<run id>-done`. */
export const turnDone = z.object({
  run_id: z.string(),
  agent_id: z.string(),
  job_id: z.string().nullable(),
  request_id: z.string().nullable(),
  traceparent: z.string().nullable(),
  metadata: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  /** One of the two is null. */
  result: turnResult.nullable(),
  failure: turnFailure.nullable(),
})
export type TurnDone = z.output<typeof turnDone>

/** The data of a job in the dead queue; its id is the run's. */
export const turnDead = z.object({
  run_id: z.string(),
  agent_id: z.string(),
  attempts: z.int(),
  failure: turnFailure,
})
export type TurnDead = z.output<typeof turnDead>

/** The progress of a job while its turn runs. */
export const turnProgress = z.object({
  step: z.int(),
  /** The first tool the model called in this step, or null. */
  tool: z.string().nullable(),
  /** Tokens of the turn so far, prompts included. */
  tokens: z.int(),
})
export type TurnProgress = z.output<typeof turnProgress>
