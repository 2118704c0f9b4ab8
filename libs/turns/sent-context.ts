import type { StepState, TurnState } from '#domain/turn.js'
import type { RequestedPayload } from '#domain/turn-steps.js'
import { foldStream, type Queryable } from '#event-store/stream-reader.js'
import type { ModelRequest } from './ports.js'
import { type ContextSources, compileContext, modelRequest, requested } from './turn-context.js'

/** What a model was sent at a step, made again from the log, and whether it is that to the byte. */
export interface SentContext {
  readonly step: number
  readonly request: ModelRequest
  /** As they were recorded before the call. */
  readonly recorded: Pick<RequestedPayload, 'context_hash' | 'request_hash'>
  /** True when the messages made again are those that were sent, and so is the rest of the request. */
  readonly verified: { readonly messages: boolean; readonly request: boolean }
}

/**
 * Compiles the request of a step again, by the functions that made it: from the versions of agent and
 * blocks that the turn recorded, the stored messages before it, and its own finished steps.
 *
 * @param seq the turn's place in its agent's mailbox
 * @param step by default the newest
 * @returns null when the turn has not asked its model at that step
 */
export async function sentContext(
  sources: ContextSources,
  tenantId: string,
  runId: string,
  seq: number,
  step?: number,
): Promise<SentContext | null> {
  const { state } = await foldStream(sources.reads, tenantId, runId)
  const turn = state as TurnState
  const asked = step === undefined ? turn.steps.at(-1) : turn.steps.find((one) => one.step === step)
  if (!asked) return null
  const [context, recorded] = await Promise.all([
    compileContext(sources, tenantId, asOf(turn, asked), seq),
    recordedRequest(sources.reads, tenantId, runId, asked.step),
  ])
  const before = turn.steps.filter((one) => one.step < asked.step)
  const again = requested(sources, context, asked.step, asked.seen, before)
  const { context_hash, request_hash } = recorded
  return {
    step: asked.step,
    request: modelRequest(context, before),
    recorded: { context_hash, request_hash },
    verified: {
      messages: again.context_hash === context_hash,
      request: again.request_hash === request_hash,
    },
  }
}

/** The turn as it was when it asked a step, for the last time if it was asked again. */
function asOf(turn: TurnState, { step }: StepState): TurnState {
  const steps = turn.steps.filter((one) => one.step <= step)
  const compactions = turn.compactions.filter((one) => one.used && one.step <= step)
  return { ...turn, steps, compactions }
}

async function recordedRequest(
  reads: Queryable,
  tenantId: string,
  runId: string,
  step: number,
): Promise<RequestedPayload> {
  const { rows } = await reads.query<{ payload: RequestedPayload }>(
    `select payload from events
      where tenant_id = $1 and stream_id = $2 and type = 'ModelRequested' order by version`,
    [tenantId, runId],
  )
  const found = rows.findLast(({ payload }) => payload.step === step)
  if (!found) throw new Error(`step ${step} of ${runId} was folded but cannot be read`)
  return found.payload
}
