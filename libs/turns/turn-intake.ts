import { ChangeTurn, type TurnChanged } from '#commands/change-turn.js'
import { type CommandMetadata, type Door, type Outcome, outcome } from '#commands/metadata.js'
import type { QueuedPayload } from '#domain/turn-steps.js'
import type { Doorbell } from './ports.js'

/** A turn to be queued: under `by.command`, where there is one, it is queued once, for ever. */
export interface TurnToQueue {
  readonly runId: string
  readonly payload: QueuedPayload
  readonly by: CommandMetadata
}

/** The one way into a mailbox, from wherever the message came: commits, then rings. */
export async function queueTurn(
  execute: Door,
  doorbell: Doorbell,
  { runId, payload, by }: TurnToQueue,
): Promise<Outcome<TurnChanged>> {
  const change = { type: 'QueueTurn', payload } as const
  const queued = outcome(await execute(new ChangeTurn(runId, payload.agent_id, change, by)))
  // After the commit, and not awaited: the mailbox itself is the outbox.
  if (queued.ok) void doorbell.ring(by.tenantId, queued.value.agent_id)
  return queued
}
