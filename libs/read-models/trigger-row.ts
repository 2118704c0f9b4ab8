import type { RowChange, StreamEvent } from '#event-store/unit.js'

type TriggerEvent = Extract<StreamEvent, { type: `Trigger${string}` }>

/** A trigger as it was set; one that was removed has no row. */
export function triggerRow(event: TriggerEvent): RowChange {
  const { tenantId: tenant_id, streamId: agent_id, version: place } = event
  const key = { tenant_id, trigger_id: event.payload.trigger_id }
  if (event.type === 'TriggerRemoved') return { table: 'triggers', remove: key }
  const { block_id, block_version: since_version, debounce_ms, input } = event.payload
  const { recordedAt: created_at, actor: created_by } = event
  const set = { agent_id, block_id, since_version, debounce_ms, input, place }
  return { table: 'triggers', put: { ...key, ...set, created_at, created_by } }
}
