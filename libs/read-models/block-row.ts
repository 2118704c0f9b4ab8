import type { BlockState } from '#domain/block-state.js'
import type { StreamEvent } from '#event-store/unit.js'
import type { BlockRow } from '#postgres/tables.js'

/** Settings of a block; its text stands in the head. */
export function blockRow(event: StreamEvent, state: BlockState): BlockRow {
  const { limit, tags, ...settings } = state.settings
  return {
    tenant_id: event.tenantId,
    block_id: state.id,
    ...settings,
    char_limit: limit,
    tags: [...tags],
    deleted: state.deleted,
    created_at: state.createdAt,
    created_by: state.createdBy ?? event.actor,
  }
}
