import { createHash, randomBytes } from 'node:crypto'
import type { CommandMetadata, Door } from '#commands/metadata.js'
import { ERRORS, echo, type Rejection, rejection } from '#domain/errors.js'
import { refusalClass } from '#domain/failure-class.js'
import { idFromBytes, parseId } from '#domain/ids.js'
import type { QueuedPayload } from '#domain/turn-steps.js'
import { storedVerdict } from '#event-store/command-results.js'
import { faultsDetail, readFields } from '#producer/field-faults.js'
import { jsonPointer } from '#producer/json-pointer.js'
import {
  inputOf,
  optionsOf,
  TURN_JOB,
  TURN_JOB_BYTES_MAX,
  type TurnAsked,
  turnJobData,
} from '#producer/turn-job.js'
import type { TurnFailure, TurnResult } from '#producer/turn-result.js'
import { agentsNamed } from '#read-models/agents.js'
import type { Reads } from '#read-models/reads.js'
import { turnOutcome } from '#read-models/turn-outcome.js'
import type { Doorbell } from './ports.js'
import { queueTurn } from './turn-intake.js'

/** A job as it lies in the queue of turns. */
export interface QueuedJob {
  readonly id: string
  readonly name: string
  readonly data: unknown
  /** When it was added, in milliseconds since 1970, by its producer's clock. */
  readonly addedAt: number
}

/** What becomes of a job now. `parked`: its turn is not over, or could not be queued yet (null). */
export type JobVerdict =
  | { readonly parked: string | null }
  | { readonly returns: TurnResult }
  | { readonly fails: TurnFailure }

const KEY_LENGTH_MAX = 255
/** The year 2100, in milliseconds since 1970. */
const TIME_MAX = 4_102_444_800_000
/** Numbered by the queue itself, which begins again at 1 once it was wiped. */
const NUMBERED = /^\d+$/
/** Of the producer's try, not of what it asks. */
const OF_THE_TRY: readonly string[] = ['request_id', 'traceparent']

interface Services {
  readonly tenantId: string
  readonly execute: Door
  readonly doorbell: Doorbell
  readonly reads: Reads
}

/**
 * Takes turns in that other services queue as jobs. A job is looked at again and again while its turn
 * runs, and by a worker that died it may be left anywhere: whatever was done before is found by the
 * job's id, and done once.
 */
export class QueueIntake {
  constructor(private readonly services: Services) {}

  /** @throws what only the database or we are to blame for: the job is to be tried again. */
  async take(job: QueuedJob): Promise<JobVerdict> {
    const asked = readJob(job)
    if ('refused' in asked) return fails(asked.refused)
    const command = commandOf(job, asked)
    const { tenantId, reads } = this.services
    const known = await storedVerdict(reads.pool, tenantId, command)
    if (known?.status === 'rejected') return fails(known.rejection)
    if (known?.status === 'ok') return this.look((known.result as { run_id: string }).run_id)
    const queued = await this.#queue(job, asked, command)
    // Whoever sleeps looks once more before: it need not be over by now.
    if (typeof queued === 'string') return { parked: queued }
    return ERRORS[queued.code].retry ? { parked: null } : fails(queued)
  }

  /** Whether the turn is over, and what it came to. */
  async look(runId: string): Promise<JobVerdict> {
    const { tenantId, reads } = this.services
    const outcome = await turnOutcome(reads.pool, tenantId, runId)
    if (!outcome) return { parked: runId }
    return outcome.result ? { returns: outcome.result } : { fails: outcome.failure }
  }

  /** @returns the run's id, or why there is none. */
  async #queue(
    job: QueuedJob,
    asked: TurnAsked,
    command: NonNullable<CommandMetadata['command']>,
  ): Promise<string | Rejection> {
    const { tenantId, execute, doorbell, reads } = this.services
    const agentId = asked.agent_id ?? (await this.#agentNamed(asked.agent_name ?? ''))
    if (typeof agentId !== 'string') return agentId
    const services = { execute, doorbell, db: reads.db }
    const queued = await queueTurn(services, {
      runId: parseId('run', job.id) ?? idFromBytes('run', randomBytes(16)),
      payload: payloadOf(job, asked, agentId),
      by: { tenantId, actor: { kind: 'service', id: 'queue' }, command },
    })
    return queued.ok ? queued.value.run_id : queued.rejection
  }

  async #agentNamed(name: string): Promise<string | Rejection> {
    const { tenantId, reads } = this.services
    const [agentId, another] = await agentsNamed(reads, tenantId, name)
    const said = JSON.stringify(echo(name))
    if (agentId === undefined) return rejection('agent_not_found', `No agent is named ${said}`)
    if (another === undefined) return agentId
    return rejection('invalid_argument', `Several agents are named ${said}: send agent_id`)
  }
}

function readJob(job: QueuedJob): TurnAsked | { readonly refused: Rejection } {
  const refused = (code: Rejection['code'], detail: string) => ({
    refused: rejection(code, detail),
  })
  if (job.name !== TURN_JOB) {
    const name = JSON.stringify(echo(job.name))
    return refused('invalid_argument', `Jobs of this queue are named ${TURN_JOB}, not ${name}`)
  }
  if (!(job.addedAt >= 0 && job.addedAt <= TIME_MAX)) {
    return refused('invalid_argument', 'The timestamp of the job is no time')
  }
  if (job.id.length > KEY_LENGTH_MAX) {
    return refused('invalid_argument', `The job's id is longer than ${KEY_LENGTH_MAX} characters`)
  }
  if (Buffer.byteLength(JSON.stringify(job.data) ?? '') > TURN_JOB_BYTES_MAX) {
    return refused('body_too_large', `The job's data is longer than ${TURN_JOB_BYTES_MAX} bytes`)
  }
  const read = readFields(turnJobData, job.data)
  if ('value' in read) return read.value
  const faults = read.faults.map(({ path, ...fault }) => ({ ...fault, pointer: jsonPointer(path) }))
  const code = faults[0]?.code ?? 'invalid_argument'
  return refused(code, faultsDetail(faults, 'the data'))
}

/** The job's id is the key, unless its data names another, or the queue has only numbered it. */
function commandOf(job: QueuedJob, asked: TurnAsked): NonNullable<CommandMetadata['command']> {
  const { idempotency_key: key } = asked
  const own = NUMBERED.test(job.id) ? `${job.id}@${job.addedAt}` : job.id
  const what = Object.entries(job.data as object).filter(([name]) => !OF_THE_TRY.includes(name))
  const fingerprint = createHash('sha256')
    .update(JSON.stringify([job.name, Object.fromEntries(what)], sortKeys))
    .digest()
  return { id: key === undefined ? `queue/${own}` : `queue:${key}`, fingerprint }
}

/** A retry may write the keys in another order. */
function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function payloadOf(job: QueuedJob, asked: TurnAsked, agentId: string): QueuedPayload {
  const { reply_to, metadata, request_id, traceparent, deadline_ms, overrides } = asked
  const options = optionsOf(asked)
  return {
    agent_id: agentId,
    input: inputOf(asked),
    source: 'queue',
    idempotency_key: asked.idempotency_key ?? job.id,
    budget: {
      max_steps: options.max_steps,
      ...(overrides?.max_tokens === undefined ? {} : { max_tokens: overrides.max_tokens }),
    },
    // The time it waits in the queue counts.
    deadline: deadline_ms === undefined ? null : new Date(job.addedAt + deadline_ms).toISOString(),
    policy: asked.policy ?? 'enqueue',
    options,
    request_hash: null,
    job_id: job.id,
    ...(reply_to ? { reply_to } : {}),
    ...(metadata ? { metadata } : {}),
    ...(request_id === undefined ? {} : { request_id }),
    ...(traceparent === undefined ? {} : { traceparent }),
  }
}

function fails({ code, detail }: Rejection): JobVerdict {
  const { retry } = ERRORS[code]
  return {
    fails: { class: refusalClass(code), code, message: detail, retriable: retry, run_id: null },
  }
}
