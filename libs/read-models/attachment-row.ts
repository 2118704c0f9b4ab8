import type { AgentState } from '#domain/agent.js'
import type { RowChange, StreamEvent } from '#event-store/unit.js'

type AttachmentEvent = Extract<
  StreamEvent,
  { type: 'BlockAttached' | 'BlockRelabelled' | 'BlockRightChanged' | 'BlockDetached' }
>

/** An agent's block under its label and with its right; the order is that of attachment. */
export function attachmentRow(event: AttachmentEvent, after: AgentState): RowChange[] {
  const key = {
    tenant_id: event.tenantId,
    agent_id: event.streamId,
    block_id: event.payload.block_id,
  }
  if (event.type === 'BlockDetached') return [{ table: 'attachments', remove: key }]
  const now = after.blocks.find((block) => block.id === key.block_id)
  if (!now) return []
  const { label, place, right: access_right, attachedAt: attached_at } = now
  return [{ table: 'attachments', put: { ...key, label, place, access_right, attached_at } }]
}
