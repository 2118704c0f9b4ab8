import { type AnyState, evolve } from '#domain/streams.js'
import type { Project, RowChange, StreamEvent } from './unit.js'

/** What was in it is gone for good; its place in the chain is not. */
export function isErased(event: StreamEvent): boolean {
  return (event.payload as object | null) === null
}

/** As `evolve`; what an erased event did cannot be told any more, so it does nothing. */
export function evolveStored(before: AnyState, event: StreamEvent): AnyState {
  return isErased(event) ? { ...before, version: event.version } : evolve(before, event)
}

/**
 * The rows that follow from an event of the log, as far as they can be told: an erased event changes
 * none, and neither does a stream whose first event was erased. An agent has its mailbox all the same.
 */
export function storedRows(
  project: Project,
  event: StreamEvent,
  before: AnyState,
  after: AnyState,
): readonly RowChange[] {
  if (!isErased(event)) return isUntold(before) ? [] : project(event, after)
  if (event.type !== 'AgentCreated') return []
  return [{ mailbox: 'open', agentId: event.streamId }]
}

/** It has events, but not the one that says what it is. */
function isUntold(state: AnyState): boolean {
  if (state.version === 0) return false
  return 'agentId' in state ? state.agentId === '' : state.createdAt === ''
}
