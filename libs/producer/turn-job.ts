import { z } from 'zod'
import { idFromBytes } from '#domain/ids.js'
import { DEFAULT_OPTIONS } from '#domain/turn.js'
import type { InputMessage } from '#domain/turn-events.js'
import { absentOr, customIssue, id, integer, text } from './field.js'
import { faultsDetail, readFields } from './field-faults.js'
import { jsonPointer } from './json-pointer.js'
import {
  DEADLINE_MS_MAX,
  handle,
  MESSAGES_MAX,
  STEPS_MAX,
  TOKENS_MAX,
  withinLength,
} from './message.js'

/** Where other services queue turns. */
export const TURNS_QUEUE = 'palimpsest-turns'
/** The schema's version is part of the job's name, so that old and new workers can share a queue. */
export const TURN_JOB = 'turn.v1'
/** Queues of this product begin so: none of them can be replied to. */
const OWN_QUEUES = 'palimpsest-'
/** Bytes of a job's data as JSON: as much as a request may have. */
export const TURN_JOB_BYTES_MAX = 1_048_576
const METADATA_KEYS_MAX = 50
const METADATA_LENGTH_MAX = 1_000

const part = z.strictObject({ type: z.literal('text'), text: text() })
const content = z.union([text(), z.array(part).min(1)]).superRefine(withinLength)
const message = z.strictObject({
  role: z.enum(['user', 'system', 'assistant']),
  content,
  name: absentOr(text()),
  otid: absentOr(text()),
  sender_id: absentOr(text()),
})
const metadataValue = z.union([
  z.string().max(METADATA_LENGTH_MAX),
  z.number().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER),
  z.boolean(),
  z.null(),
])
const replyQueue = z
  .string()
  .regex(/^[\w./-]{1,100}$/, 'expected 1 to 100 letters, digits, and . _ - /')
  .superRefine((value, context) => {
    if (!value.startsWith(OWN_QUEUES)) return
    context.addIssue(
      customIssue('invalid_argument', `queues named ${OWN_QUEUES}… are Palimpsest's own`),
    )
  })

/** The data of a job `turn.v1`. A field that is not known is refused, not ignored. */
export const turnJobData = z
  .strictObject({
    agent_id: absentOr(id('agent')),
    agent_name: absentOr(text().min(1)),
    messages: absentOr(z.array(message).min(1).max(MESSAGES_MAX)),
    input: absentOr(content),
    overrides: absentOr(
      z.strictObject({
        model: absentOr(handle()),
        max_steps: absentOr(integer({ min: 1, max: STEPS_MAX })),
        max_tokens: absentOr(integer({ min: 1, max: TOKENS_MAX })),
      }),
    ),
    deadline_ms: absentOr(integer({ min: 1, max: DEADLINE_MS_MAX })),
    policy: absentOr(z.enum(['enqueue', 'reject', 'interrupt'])),
    reply_to: absentOr(z.strictObject({ queue: replyQueue })),
    idempotency_key: absentOr(
      z.string().regex(/^[\x21-\x7e]{1,255}$/, 'expected 1 to 255 visible ASCII characters'),
    ),
    request_id: absentOr(
      z.string().regex(/^[\x21-\x7e]{1,128}$/, 'expected 1 to 128 visible ASCII characters'),
    ),
    traceparent: absentOr(
      z
        .string()
        .regex(
          /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/,
          'expected version-trace-parent-flags in hex',
        ),
    ),
    metadata: absentOr(z.record(z.string().max(METADATA_LENGTH_MAX), metadataValue)),
    tenant_id: absentOr(z.literal('default')),
  })
  .superRefine((value, context) => {
    for (const [a, b] of [
      ['agent_id', 'agent_name'],
      ['messages', 'input'],
    ] as const) {
      const given = [a, b].filter((field) => value[field] !== undefined)
      if (given.length === 1) continue
      const what = given.length === 0 ? `missing: send ${a} or ${b}` : `send ${a} or ${b}, not both`
      context.addIssue({ ...customIssue('invalid_argument', what), path: [given[1] ?? a] })
    }
    if (Object.keys(value.metadata ?? {}).length <= METADATA_KEYS_MAX) return
    const many = customIssue('invalid_argument', `expected at most ${METADATA_KEYS_MAX} keys`)
    context.addIssue({ ...many, path: ['metadata'] })
  })

/** What a producer writes. */
export type TurnJobData = z.input<typeof turnJobData>
/** What is read of it. */
export type TurnAsked = z.output<typeof turnJobData>

/** A job as `queue.add(name, data, opts)` takes it, and as a node of a flow. */
export interface TurnJob {
  readonly queueName: typeof TURNS_QUEUE
  readonly name: typeof TURN_JOB
  readonly data: TurnJobData
  readonly opts: { readonly jobId: string }
}

/**
 * A job for the queue, checked. Its id is the id of the run to come: sent again with it, it stays one
 * turn.
 *
 * @example
 * const { name, data, opts } = turnJob({ agent_name: 'editor', input: 'Tidy up the notes.' })
 * await new Queue(TURNS_QUEUE, { connection }).add(name, data, opts)
 * @throws TypeError naming every field that is not valid
 */
export function turnJob(data: TurnJobData, runId: string = newRunId()): TurnJob {
  const read = readFields(turnJobData, data)
  if ('faults' in read) {
    const faults = read.faults.map(({ path, message }) => ({ pointer: jsonPointer(path), message }))
    throw new TypeError(faultsDetail(faults, 'the data'))
  }
  return { queueName: TURNS_QUEUE, name: TURN_JOB, data, opts: { jobId: runId } }
}

/** The id of a run that is not there yet. */
export function newRunId(): string {
  return idFromBytes('run', crypto.getRandomValues(new Uint8Array(16)))
}

/** What the agent is sent. */
export function inputOf({ messages, input }: TurnAsked): readonly InputMessage[] {
  const sent = messages ?? [{ role: 'user' as const, content: input ?? '' }]
  return sent.map(({ role, content, ...more }) => {
    const { name = null, otid = null, sender_id = null } = more as Partial<InputMessage>
    return { role, content, name, otid, sender_id }
  })
}

/** How the turn is to run. */
export function optionsOf({ overrides }: TurnAsked) {
  return {
    ...DEFAULT_OPTIONS,
    max_steps: overrides?.max_steps ?? DEFAULT_OPTIONS.max_steps,
    override_model: overrides?.model ?? null,
    background: true,
  }
}
