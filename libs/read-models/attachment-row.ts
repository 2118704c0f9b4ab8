import type { AgentState } from '#domain/agent.js'
import type { RowChange, StreamEvent } from '#event-store/unit.js'

type AttachmentEvent = Extract<
  StreamEvent,
  { type: 'BlockAttached' | 'BlockRelabelled' | 'BlockDetached' }
>

/** An agent's block under its label; the order is that of attachment. */
export function attachmentRow(event: AttachmentEvent, before: AgentState): RowChange[] {
  const key = {
    tenant_id: event.tenantId,
    agent_id: event.streamId,
    block_id: event.payload.block_id,
  }
  if (event.type === 'BlockDetached') return [{ table: 'attachments', remove: key }]
  const { label } = event.payload
  const known = before.blocks.find((block) => block.id === key.block_id)
  const place = known?.place ?? event.version
  const attached_at = known?.attachedAt ?? event.recordedAt
  return [{ table: 'attachments', put: { ...key, label, place, attached_at } }]
}
