import { ChangeTurn, type TurnChanged } from '#commands/change-turn.js'
import { type CommandMetadata, type Door, type Outcome, outcome } from '#commands/metadata.js'
import { DEFAULT_OPTIONS } from '#domain/turn.js'
import type { TurnSource } from '#domain/turn-events.js'
import type { QueuedPayload } from '#domain/turn-steps.js'
import type { Database } from '#postgres/database.js'
import { waitingRun } from '#read-models/pending-approvals.js'
import { unfinishedTurns } from '#read-models/runs.js'
import type { Doorbell } from './ports.js'

/** Whose turns wait behind an approval that is asked for, instead of being refused. */
const WAITING: readonly TurnSource[] = ['queue', 'schedule', 'trigger']

/** A turn to be queued: under `by.command`, where there is one, it is queued once, for ever. */
export interface TurnToQueue {
  readonly runId: string
  readonly payload: QueuedPayload
  readonly by: CommandMetadata
}

/** A turn in the background that begins with one message, and that nobody asked for just now. */
export function messageTurn(agent_id: string, content: string, source: TurnSource): QueuedPayload {
  return {
    agent_id,
    input: [{ role: 'user', content, name: null, otid: null, sender_id: null }],
    source,
    idempotency_key: null,
    budget: { max_steps: DEFAULT_OPTIONS.max_steps },
    deadline: null,
    policy: 'enqueue',
    options: { ...DEFAULT_OPTIONS, background: true },
    request_hash: null,
  }
}

/**
 * The one way into a mailbox, from wherever the message came: commits, then rings. A refusal because the
 * agent is busy says which run is in the way.
 */
export async function queueTurn(
  services: { readonly execute: Door; readonly doorbell: Doorbell; readonly db: Database },
  { runId, payload, by }: TurnToQueue,
): Promise<Outcome<TurnChanged>> {
  const { execute, doorbell, db } = services
  const { agent_id: agentId, policy } = payload
  const busyWith = async () => (await unfinishedTurns(db, by.tenantId, agentId))[0]
  const interrupts = policy === 'interrupt' ? await busyWith() : undefined
  // Who talks to an agent answers first what it asks; jobs, triggers and schedules only wait behind that.
  const isSaid = !WAITING.includes(payload.source) && policy !== 'interrupt'
  const behind = isSaid ? await waitingRun(db, by.tenantId, agentId) : null
  const change = {
    type: 'QueueTurn' as const,
    payload,
    ...(interrupts ? { interrupts } : {}),
    ...(behind ? { behind } : {}),
  }
  const queued = outcome(await execute(new ChangeTurn(runId, agentId, change, by)))
  if (queued.ok) {
    // After the commit, and not awaited: the mailbox itself is the outbox.
    void doorbell.ring(by.tenantId, agentId)
    return queued
  }
  const { rejection } = queued
  if (rejection.code !== 'agent_busy') return queued
  const facts = { ...rejection.facts, run_id: await busyWith() }
  return { ...queued, rejection: { ...rejection, facts } }
}
