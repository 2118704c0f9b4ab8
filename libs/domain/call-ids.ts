import type { TurnState } from './turn.js'
import type { ToolCall } from './turn-events.js'

/** Providers repeat or omit ids; on the wire each names one call of the turn. */
export function uniqueIds(state: TurnState, step: number, calls: readonly ToolCall[]): ToolCall[] {
  const taken = new Set(state.steps.flatMap((s) => s.calls.map((call) => call.tool_call_id)))
  return calls.map((call, index) => {
    const free = call.tool_call_id !== '' && !taken.has(call.tool_call_id)
    const tool_call_id = free ? call.tool_call_id : `call_${step}_${index}_${state.id.slice(-12)}`
    taken.add(tool_call_id)
    return { ...call, tool_call_id }
  })
}
