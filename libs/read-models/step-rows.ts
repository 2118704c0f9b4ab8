import type { StepState, TurnState } from '#domain/turn.js'
import { isOver } from '#domain/turn-steps.js'
import type { RowChange, StreamEvent } from '#event-store/unit.js'
import type { StepRow } from '#postgres/tables.js'
import { stepId } from './derived-id.js'

/** The rows of the turn's last step: one for the model call, one for the tool call the event is about. */
export function stepRows(event: StreamEvent, state: TurnState): RowChange[] {
  const step = state.steps.at(-1)
  if (!step) return []
  const rows = [modelRow(event, state, step)]
  if (event.type === 'ToolCalled' || event.type === 'ToolReturned') {
    const row = toolRow(event, state, step)
    if (row) rows.push(row)
  }
  return rows.map((put) => ({ table: 'steps', put }))
}

function modelRow(event: StreamEvent, state: TurnState, step: StepState): StepRow {
  const failed = isOver(state) && !step.reply
  return {
    ...key(event, state, step),
    tool_call_id: '',
    kind: 'model',
    name: step.model,
    status: failed ? 'failed' : step.reply ? 'success' : 'pending',
    usage: step.usage,
    stop_reason: isOver(state) ? state.stopReason : step.reply ? step.reply.finish_reason : null,
    error: failed ? state.failure : null,
    created_at: step.requestedAt,
    done_at: step.respondedAt ?? (failed ? state.doneAt : null),
  }
}

function toolRow(
  event: Extract<StreamEvent, { type: 'ToolCalled' | 'ToolReturned' }>,
  state: TurnState,
  step: StepState,
): StepRow | null {
  const call = step.calls.find((c) => c.index === event.payload.index)
  if (!call) return null
  const { returned } = call
  return {
    ...key(event, state, step),
    tool_call_id: call.tool_call_id,
    kind: 'tool',
    name: call.name,
    status: returned ? (returned.status === 'success' ? 'success' : 'failed') : 'pending',
    usage: null,
    stop_reason: null,
    error: returned?.code ? { code: returned.code } : null,
    created_at: step.respondedAt ?? event.recordedAt,
    done_at: returned ? event.recordedAt : null,
  }
}

function key(event: StreamEvent, state: TurnState, step: StepState) {
  return {
    tenant_id: event.tenantId,
    run_id: state.id,
    step: step.step,
    step_id: stepId(event.tenantId, state.id, step.step),
    agent_id: state.agentId,
  }
}
