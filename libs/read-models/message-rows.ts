import type { AgentState } from '#domain/agent.js'
import type { AnswerEvent } from '#domain/approval-events.js'
import type { TurnState } from '#domain/turn.js'
import { answeredCalls } from '#domain/turn-step-fold.js'
import type { RowChange, StreamEvent } from '#event-store/unit.js'
import type { MessageRow } from '#postgres/tables.js'
import { derivedId, derivedUuid, stepId } from './derived-id.js'

/** The prompt's own text stands first among an agent's messages. */
export function systemMessage(event: StreamEvent, agent: AgentState): MessageRow {
  const id = derivedId('message', event.tenantId, agent.id, 'system')
  return {
    tenant_id: event.tenantId,
    message_id: id,
    agent_id: agent.id,
    run_id: null,
    step_id: null,
    version: 0,
    item: 0,
    role: 'system',
    content: { content: agent.settings.system },
    name: null,
    otid: derivedUuid(id),
    sender_id: null,
    created_at: agent.createdAt,
  }
}

export function inputMessages(event: Extract<StreamEvent, { type: 'TurnQueued' }>): RowChange[] {
  return event.payload.input.map((message, item): RowChange => {
    const id = derivedId('message', event.tenantId, event.streamId, 0, item)
    const put: MessageRow = {
      tenant_id: event.tenantId,
      message_id: id,
      agent_id: event.payload.agent_id,
      run_id: event.streamId,
      step_id: null,
      version: event.version,
      item,
      role: message.role,
      content: { content: message.content },
      name: message.name,
      otid: message.otid ?? derivedUuid(id),
      sender_id: message.sender_id,
      created_at: event.recordedAt,
    }
    return { table: 'messages', put }
  })
}

export function replyMessage(
  event: Extract<StreamEvent, { type: 'ModelResponded' }>,
  state: TurnState,
): RowChange {
  const { content, reasoning, tool_calls } = event.payload.response
  return stored(event, state, event.payload.step, 0, 'assistant', {
    content,
    reasoning,
    tool_calls,
  })
}

/** The reply once more: it asks somebody about calls of its own, before any of them is made. */
export function askingMessage(
  event: Extract<StreamEvent, { type: 'ApprovalRequested' }>,
  state: TurnState,
): RowChange {
  const { step, tool_call_ids: asks } = event.payload
  const reply = state.steps.find((s) => s.step === step)?.reply
  const { content = null, reasoning = null, tool_calls = [] } = reply ?? {}
  const said = { content, reasoning, tool_calls, asks }
  return stored(event, state, step, 0, 'assistant', said)
}

/** The id of the message that asks about calls of a step. */
export function askingMessageId(tenantId: string, runId: string, step: number): string {
  return derivedId('message', tenantId, runId, step, 0)
}

export function answerMessage(
  event: Extract<StreamEvent, { type: AnswerEvent['type'] }>,
  state: TurnState,
): RowChange {
  const { tenantId, version } = event
  const { step } = event.payload
  const ids = answeredCalls(event)
  const calls = state.steps.find((s) => s.step === step)?.calls ?? []
  const answers = calls.flatMap(({ tool_call_id, answer }) => {
    if (!answer || !ids.includes(tool_call_id)) return []
    const { by: _, ...said } = answer
    return [{ tool_call_id, ...said }]
  })
  const request_id = askingMessageId(tenantId, state.id, step)
  const id = derivedId('message', tenantId, state.id, step, 'answer', version)
  return stored(event, state, step, 0, 'approval', { request_id, answers }, id)
}

export function returnMessage(
  event: Extract<StreamEvent, { type: 'ToolReturned' }>,
  state: TurnState,
): RowChange {
  const { step, index, tool_call_id, status, result } = event.payload
  const call = state.steps.find((s) => s.step === step)?.calls.find((c) => c.index === index)
  return stored(event, state, step, index + 1, 'tool', {
    tool_call_id,
    name: call?.name ?? '',
    status,
    result,
  })
}

/** No step said it: the turn was given it before it went on. */
export function summaryMessage(
  event: Extract<StreamEvent, { type: 'ContextCompacted' }>,
  state: TurnState,
): RowChange {
  const { tenantId, version } = event
  const { step, summary } = event.payload
  const through_run_id = state.compactions.at(-1)?.throughRunId ?? ''
  const id = derivedId('message', tenantId, state.id, step, 'summary', version)
  const content = { content: summary, through_run_id }
  return stored(event, state, null, 0, 'summary', content, id)
}

function stored(
  event: StreamEvent,
  state: TurnState,
  step: number | null,
  item: number,
  role: MessageRow['role'],
  content: MessageRow['content'],
  id = derivedId('message', event.tenantId, state.id, step ?? 0, item),
): RowChange {
  return {
    table: 'messages',
    put: {
      tenant_id: event.tenantId,
      message_id: id,
      agent_id: state.agentId,
      run_id: state.id,
      step_id: step === null ? null : stepId(event.tenantId, state.id, step),
      version: event.version,
      item,
      role,
      content,
      name: null,
      otid: derivedUuid(id),
      sender_id: null,
      created_at: event.recordedAt,
    },
  }
}
