import { echo } from '#domain/errors.js'
import { failureCode, isPassing } from '#domain/failure-class.js'
import type { CallState, TurnState } from '#domain/turn.js'
import { isOver } from '#domain/turn-steps.js'
import { encodeCursor } from '#event-store/cursor.js'
import { foldStream, type Queryable } from '#event-store/stream-reader.js'
import { RESULT_BYTES_MAX, type TurnFailure, type TurnResult } from '#producer/turn-result.js'

/** What a turn came to, as its producer is told. */
export type TurnOutcome = { readonly agentId: string } & (
  | { readonly result: TurnResult; readonly failure: null }
  | { readonly result: null; readonly failure: TurnFailure }
)

/** @returns null while the turn is not over, and when there is none with this id. */
export async function turnOutcome(
  pool: Queryable,
  tenantId: string,
  runId: string,
): Promise<TurnOutcome | null> {
  const { state: folded, version } = await foldStream(pool, tenantId, runId)
  const state = folded as TurnState
  if (version === 0 || !isOver(state)) return null
  const { agentId } = state
  if (state.status !== 'completed') return { agentId, result: null, failure: failureOf(state) }
  const { rows } = await pool.query<{ first: string; last: string }>({
    name: 'event-range',
    text: `select min(position) as first, max(position) as last from events
            where tenant_id = $1 and stream_id = $2 and version <= $3`,
    values: [tenantId, runId, version],
  })
  const [range] = rows
  const eventRange: TurnResult['event_range'] = [
    encodeCursor(tenantId, Number(range?.first) - 1),
    encodeCursor(tenantId, Number(range?.last)),
  ]
  return { agentId, result: bounded(resultOf(state, eventRange)), failure: null }
}

function failureOf({ id, failure }: TurnState): TurnFailure {
  const failureClass = failure?.class ?? 'Cancelled'
  return {
    class: failureClass,
    code: failureCode(failureClass),
    message: echo(failure?.detail ?? 'The run was cancelled', MESSAGE_LENGTH_MAX),
    retriable: isPassing(failureClass),
    run_id: id,
  }
}

const MESSAGE_LENGTH_MAX = 2_000

function resultOf(state: TurnState, event_range: TurnResult['event_range']): TurnResult {
  const calls = state.steps.flatMap((step) => step.calls)
  return {
    run_id: state.id,
    agent_id: state.agentId,
    status: 'completed',
    stop_reason: state.stopReason ?? 'end_turn',
    messages: state.steps.flatMap(messagesOf),
    usage: state.usage,
    edits: calls.flatMap((call) =>
      judged(call)
        .filter(({ changed }) => changed)
        .map(({ block_id, version }) => ({ block_id, version })),
    ),
    rejected: calls.flatMap(rejectionOf),
    event_range,
    url: `/v1/runs/${state.id}`,
  }
}

function messagesOf({ step, reply, calls }: TurnState['steps'][number]) {
  if (!reply) return []
  const { content, reasoning } = reply
  const tool_calls = reply.tool_calls.map(({ tool_call_id, name, arguments: args }) => ({
    tool_call_id,
    name,
    arguments: args,
  }))
  const said = { role: 'assistant' as const, step, content, reasoning, tool_calls }
  const returned = calls.flatMap(({ tool_call_id, name, returned: value }) => {
    if (!value) return []
    const { status, result } = value
    return [{ role: 'tool' as const, step, tool_call_id, name, status, content: result }]
  })
  return [said, ...returned]
}

function rejectionOf(call: CallState) {
  const code = call.returned?.code
  if (code === undefined) return []
  const blocks = judged(call).map(({ block_id, version }) => ({ block_id, version }))
  return [{ tool_call_id: call.tool_call_id, name: call.name, code, blocks }]
}

/** The blocks a call was judged on. */
function judged({ returned }: CallState) {
  return returned?.blocks ?? (returned?.block ? [returned.block] : [])
}

/** What is too long for a job is left out, the messages first. */
function bounded(result: TurnResult): TurnResult {
  if (bytesOf(result) <= RESULT_BYTES_MAX) return result
  const silent = { ...result, messages: null }
  if (bytesOf(silent) <= RESULT_BYTES_MAX) return silent
  return { ...silent, edits: null, rejected: null }
}

function bytesOf(result: TurnResult): number {
  return Buffer.byteLength(JSON.stringify(result))
}
