import type { AgentState } from '#domain/agent.js'
import type { BlockState } from '#domain/block-state.js'
import type { AnyState } from '#domain/streams.js'
import { type TurnState, waitingCalls } from '#domain/turn.js'
import type { RowChange, StreamEvent } from '#event-store/unit.js'
import { agentRow } from './agent-row.js'
import { attachmentRow } from './attachment-row.js'
import { blockRow } from './block-row.js'
import {
  answerMessage,
  askingMessage,
  inputMessages,
  replyMessage,
  returnMessage,
  summaryMessage,
  systemMessage,
} from './message-rows.js'
import { scheduleRow } from './schedule-row.js'
import { stepRows } from './step-rows.js'
import { triggerRow } from './trigger-row.js'
import { turnRow } from './turn-row.js'

/**
 * The rows that follow from one event: written in its commit, and the same again by a rebuild. A text
 * edit changes none.
 */
export function project(event: StreamEvent, after: AnyState): RowChange[] {
  switch (event.type) {
    case 'BlockCreated':
    case 'BlockConfigured':
    case 'BlockDeleted':
      return [{ table: 'blocks', put: blockRow(event, after as BlockState) }]
    case 'TextInserted':
    case 'TextReplaced':
    case 'BlockRethought':
    case 'EditReverted':
    case 'BlockRestored':
    case 'AgentAttached':
    case 'RightChanged':
    case 'AgentDetached':
      return []
    case 'AgentCreated':
      return [
        { table: 'agents', put: agentRow(event, after as AgentState) },
        { table: 'messages', put: systemMessage(event, after as AgentState) },
        { mailbox: 'open', agentId: event.streamId },
      ]
    case 'AgentConfigured':
      return [
        { table: 'agents', put: agentRow(event, after as AgentState) },
        ...(event.payload.system
          ? [{ table: 'messages' as const, put: systemMessage(event, after as AgentState) }]
          : []),
      ]
    case 'ToolAttached':
    case 'ToolDetached':
    case 'MessagesReset':
    case 'ToolApprovalChanged':
    case 'AgentDeleted':
      return [{ table: 'agents', put: agentRow(event, after as AgentState) }]
    case 'TriggerSet':
    case 'TriggerRemoved':
      return [triggerRow(event)]
    case 'AgentScheduled':
    case 'AgentUnscheduled':
      return scheduleRow(event)
    case 'BlockAttached':
    case 'BlockRelabelled':
    case 'BlockRightChanged':
    case 'BlockDetached':
      return attachmentRow(event, after as AgentState)
    default:
      return ofTurn(event, after as TurnState)
  }
}

type TurnStreamEvent = Exclude<
  StreamEvent,
  {
    type:
      | `Block${string}`
      | `Agent${string}`
      | `Tool${'Attached' | 'Detached' | 'ApprovalChanged'}`
      | `Text${string}`
      | `Trigger${string}`
      | 'EditReverted'
      | 'RightChanged'
      | 'MessagesReset'
  }
>

function ofTurn(event: TurnStreamEvent, after: TurnState): RowChange[] {
  const turn: RowChange = { table: 'turns', put: turnRow(event.tenantId, after) }
  const { agentId } = after
  switch (event.type) {
    case 'TurnQueued':
      return [turn, { mailbox: 'queued', agentId, runId: after.id }, ...inputMessages(event)]
    case 'TurnStarted':
    case 'TurnResumed':
    case 'TurnCancelRequested':
      return [turn]
    case 'TurnParked':
      return [turn, { mailbox: 'parked', agentId, until: event.payload.until }]
    case 'TurnRequeued':
      return [turn, { mailbox: 'requeued', agentId }]
    case 'ContextCompacted':
      return [turn, summaryMessage(event, after)]
    case 'CompactionRequested':
    case 'ModelRetryScheduled':
      return []
    case 'ModelRequested':
    case 'ToolCalled':
      return [turn, ...stepRows(event, after)]
    case 'ModelResponded':
      return [turn, ...stepRows(event, after), replyMessage(event, after)]
    case 'ToolReturned':
      return [turn, ...stepRows(event, after), returnMessage(event, after)]
    case 'ApprovalRequested':
      return [turn, askingMessage(event, after)]
    case 'ApprovalGiven':
    case 'ApprovalDenied':
    case 'ToolAnswered': {
      const waits = waitingCalls(after).length > 0
      const freed: RowChange[] = waits ? [] : [{ mailbox: 'freed', agentId }]
      return [turn, answerMessage(event, after), ...freed]
    }
    case 'TurnCompleted':
    case 'TurnFailed':
    case 'TurnCancelled':
    case 'TurnDeadLettered': {
      const freed: RowChange[] = after.parked ? [{ mailbox: 'freed', agentId }] : []
      return [turn, ...stepRows(event, after), { mailbox: 'ended', agentId }, ...freed]
    }
  }
}
