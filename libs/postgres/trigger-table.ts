import type { Actor } from '#domain/actor.js'

/** A trigger that is set. */
export interface TriggerRow {
  tenant_id: string
  trigger_id: string
  agent_id: string
  block_id: string
  /** The block's version when it was set. */
  since_version: number
  debounce_ms: number
  input: string | null
  /** The agent's version then: the order of a list. */
  place: number
  created_at: string
  created_by: Actor
}
