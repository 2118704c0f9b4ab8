import { pendingCompaction } from './compaction.js'
import type { TurnState } from './turn.js'
import type { TurnEvent } from './turn-events.js'
import { type CompactionPayload, cancelTurn, isOver } from './turn-steps.js'

export type SummaryPayload = Extract<TurnEvent, { type: 'ContextCompacted' }>['payload']

/**
 * Asks for a summary because the provider found the step's request too long: once in a turn.
 */
export function requestCompaction(state: TurnState, payload: CompactionPayload): TurnEvent[] {
  const step = state.steps.at(-1)
  if (isOver(state) || !step || step.step !== payload.step || step.reply) return []
  if (pendingCompaction(state) || hasOverflowed(state)) return []
  return [{ type: 'CompactionRequested', payload }]
}

/** Whether the turn has already made room for a provider that found a request too long. */
export function hasOverflowed({ compactions }: TurnState): boolean {
  return compactions.some(({ reason }) => reason === 'overflow')
}

/** Records the summary before anything is sent with it. A turn that is to end, ends with it. */
export function recordSummary(state: TurnState, payload: SummaryPayload): TurnEvent[] {
  const pending = pendingCompaction(state)
  if (isOver(state) || pending?.step !== payload.step) return []
  const compacted: TurnEvent = { type: 'ContextCompacted', payload }
  return state.cancelRequested ? [compacted, ...cancelTurn(state, payload.usage)] : [compacted]
}
