import type { TurnState } from '#domain/turn.js'
import type { TurnRow } from '#postgres/tables.js'

/** A turn as lists and waiters read it. Its `seq` is the mailbox's to give. */
export function turnRow(tenantId: string, state: TurnState): TurnRow {
  return {
    tenant_id: tenantId,
    run_id: state.id,
    agent_id: state.agentId,
    status: state.status,
    source: state.source,
    request_hash: state.requestHash,
    options: state.options,
    attempts_without_progress: state.attemptsWithoutProgress,
    step_count: state.steps.length,
    stop_reason: state.stopReason,
    failure: state.failure,
    usage: state.usage,
    simulated: state.simulated,
    deadline: state.deadline,
    queued_at: state.queuedAt,
    started_at: state.startedAt,
    done_at: state.doneAt,
  }
}
