import type { TurnEvent } from '#domain/turn-events.js'
import type { FeedEvent } from '#event-store/feed-event.js'
import { type Queryable, readStream } from '#event-store/stream-reader.js'
import {
  DEAD_JOB,
  DEAD_QUEUE,
  DONE_JOB,
  type TurnDead,
  type TurnDone,
} from '#producer/turn-result.js'
import { turnOutcome } from '#read-models/turn-outcome.js'
import type { ProducerJobs } from './ports.js'

/** The subscription's name: its checkpoint says which turns have been answered. */
export const ANSWERS = 'turn-answers'

const ENDS: readonly string[] = ['TurnCompleted', 'TurnFailed', 'TurnCancelled', 'TurnDeadLettered']
/** What it reads of the feed. */
export const ANSWERED_TYPES: readonly string[] = ['TurnQueued', 'ModelResponded', ...ENDS]

type Queued = Extract<TurnEvent, { type: 'TurnQueued' }>['payload']
type Responded = Extract<TurnEvent, { type: 'ModelResponded' }>['payload']

/** What is known of a turn that has not ended. Null: nobody is told of it. */
interface Told {
  readonly queued: Queued
  readonly tokens: number
}

/** Turns remembered at a time: of others the first event is read again. */
const KNOWN_MAX = 10_000
const PAGE = 100

/**
 * Tells those who queued turns as jobs what becomes of them, from the feed: a line for each step, a wake
 * and an answer at the end, and a dead letter for every turn that was given up. Handled at least once:
 * a job that is there already stays as it is.
 */
export class TurnAnswers {
  readonly #known = new Map<string, Told | null>()

  constructor(
    private readonly pool: Queryable,
    private readonly jobs: ProducerJobs,
  ) {}

  /** @throws while a queue that is to get an answer is away. */
  async handle(event: FeedEvent): Promise<void> {
    // Erased: there is nothing to tell.
    if (!event.payload) return
    const { streamId } = event
    const known = this.#known.has(streamId)
    const before = known ? (this.#known.get(streamId) ?? null) : await this.#recall(event)
    const told = after(before, event.type, event.payload)
    this.#remember(streamId, told)
    if (told && event.type === 'ModelResponded') await this.#note(told, event.payload as Responded)
    if (ENDS.includes(event.type)) await this.#end(told, event)
  }

  async #note({ queued, tokens }: Told, { step, response }: Responded): Promise<void> {
    if (queued.job_id === undefined) return
    const tools = response.tool_calls.map(({ name }) => name)
    const did = tools.length > 0 ? tools.join(', ') : 'answered'
    const progress = { step, tool: tools[0] ?? null, tokens }
    await this.jobs.note(queued.job_id, `step ${step}: ${did} (${tokens} tokens so far)`, progress)
  }

  async #end(told: Told | null, event: FeedEvent): Promise<void> {
    const { streamId: runId, tenantId } = event
    const { job_id: jobId, reply_to: replyTo } = told?.queued ?? {}
    if (jobId !== undefined) await this.jobs.wake(jobId)
    const isDead = event.type === 'TurnDeadLettered'
    if (!replyTo && !isDead) return
    const outcome = await turnOutcome(this.pool, tenantId, runId)
    // It was put back meanwhile, and will end again.
    if (!outcome) return
    const { agentId: agent_id, result, failure } = outcome
    if (isDead && failure) {
      const { attempts } = event.payload as { attempts: number }
      const dead: TurnDead = { run_id: runId, agent_id, attempts, failure }
      await this.jobs.send(DEAD_QUEUE, DEAD_JOB, runId, dead)
    }
    if (!replyTo || !told) return
    const { request_id = null, traceparent = null, metadata = {} } = told.queued
    const about = { run_id: runId, agent_id, job_id: jobId ?? null }
    const done: TurnDone = { ...about, request_id, traceparent, metadata, result, failure }
    await this.jobs.send(replyTo.queue, DONE_JOB, `${runId}-done`, done)
  }

  /** A turn that began before this process looked at the feed, as it was before an event. */
  async #recall({ tenantId, streamId, version }: FeedEvent): Promise<Told | null> {
    let told: Told | null = null
    for (let after_ = 0; after_ < version - 1; ) {
      const page = { after: after_, limit: PAGE, order: 'asc' } as const
      const events = await readStream(this.pool, tenantId, streamId, page)
      for (const event of events) {
        if (event.version < version) told = after(told, event.type, event.payload)
      }
      if (!told || events.length < PAGE) return told
      after_ += PAGE
    }
    return told
  }

  #remember(runId: string, told: Told | null): void {
    // Last in, last out: a turn that goes on is remembered longest.
    this.#known.delete(runId)
    this.#known.set(runId, told)
    if (this.#known.size <= KNOWN_MAX) return
    const [oldest] = this.#known.keys()
    if (oldest !== undefined) this.#known.delete(oldest)
  }
}

/** What is known after an event. */
function after(told: Told | null, type: string, payload: object): Told | null {
  if (type === 'TurnQueued') {
    const queued = payload as Queued
    const isTold = queued.job_id !== undefined || queued.reply_to !== undefined
    return isTold ? { queued, tokens: 0 } : null
  }
  if (!told || type !== 'ModelResponded') return told
  return { ...told, tokens: told.tokens + (payload as Responded).usage.total_tokens }
}
