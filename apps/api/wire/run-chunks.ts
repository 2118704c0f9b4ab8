import type { StreamEvent } from '#event-store/unit.js'
import { derivedId, derivedUuid, stepId } from '#read-models/derived-id.js'
import { replyMessage, returnMessage } from '#read-models/message-rows.js'
import type { StoredMessage } from '#read-models/messages.js'
import type { Ask, RunEntry, RunLog } from '#turns/run-log.js'
import { usageStatistics } from './letta-response-wire.js'
import { head, type MessageHead, renderMessages } from './message-wire.js'
import { draftAfter, restOf } from './reply-parts.js'
import { type RunCursor, seqOf } from './run-cursor.js'
import { runError } from './run-wire.js'

/** A chunk of Letta's stream. */
export interface RunChunk {
  /** Where a reader stands who has it. */
  readonly cursor: RunCursor
  readonly event?: 'error'
  readonly data: Readonly<Record<string, unknown>>
}

type Told = Omit<RunChunk, 'cursor'> & { readonly offset: number }

/**
 * What a run is told as behind a cursor: messages as they are committed, and the answer under way. It
 * may be stopped and goes on with what has come meanwhile; at its end there is nothing more for now.
 *
 * @param isLegacy for clients before 1.0, which know no error as a message.
 */
export function* chunksAfter(
  log: RunLog,
  begin: RunCursor,
  isLegacy: boolean,
): Generator<RunChunk, void, undefined> {
  let at = begin
  for (let version = begin.version; version <= log.version; version++) {
    const entry = log.entries[version - 1]
    if (!entry) continue
    for (const { offset, ...chunk } of told(log, entry, at, isLegacy)) {
      if (version === begin.version && offset <= begin.offset) continue
      at = { version, offset }
      yield numbered(chunk, at)
    }
  }
  const { draft } = log
  if (!draft) return
  const { ask } = draft
  const from = at.version === ask.version ? at.offset : 0
  const created = new Date(log.entries[ask.version - 1]?.event.recordedAt ?? 0)
  const shared = draftHead(log, ask, created)
  for (const { end, item } of draftAfter(draft.reply, from, log.state.options)) {
    if (!isWanted(log, item.message_type)) continue
    yield numbered(
      { data: { ...head(shared, item.message_type), ...item } },
      { version: ask.version, offset: end },
    )
  }
}

function numbered(chunk: Omit<RunChunk, 'cursor'>, cursor: RunCursor): RunChunk {
  return { ...chunk, data: { ...chunk.data, seq_id: seqOf(cursor) }, cursor }
}

function told(log: RunLog, entry: RunEntry, at: RunCursor, isLegacy: boolean): Iterable<Told> {
  const { event } = entry
  if (event.type === 'ModelResponded') return replyChunks(log, entry, event, at)
  if (event.type === 'ToolReturned') {
    const stored = storedMessage(returnMessage(event, log.state))
    return renderMessages([stored], log.state.options).map((data, i) => ({ offset: i + 1, data }))
  }
  return log.isAtRest && event.version === log.version ? endChunks(log, isLegacy) : []
}

/** A reader who has the beginning of this answer gets the rest of it, anybody else the whole. */
function* replyChunks(
  log: RunLog,
  { answers }: RunEntry,
  event: Extract<StreamEvent, { type: 'ModelResponded' }>,
  at: RunCursor,
): Generator<Told> {
  const knows = at.version === event.version || at.version === answers?.version
  const from = knows ? at.offset : 0
  const stored = storedMessage(replyMessage(event, log.state))
  const shared = {
    ...stored,
    otid: answers ? otidOf(log, stored.message_id, answers) : stored.otid,
  }
  const calls = log.state.steps.find((s) => s.step === event.payload.step)?.calls ?? []
  const asks = calls.filter((call) => call.answer !== undefined).map((call) => call.tool_call_id)
  const reply = { ...event.payload.response, asks }
  for (const { end, item } of restOf(reply, from, log.state.options)) {
    if (!isWanted(log, item.message_type)) continue
    yield { offset: end, data: { ...head(shared, item.message_type), ...item } }
  }
}

function draftHead(log: RunLog, ask: Ask, created_at: Date): MessageHead {
  const tenantId = log.entries[0]?.event.tenantId ?? ''
  const message_id = derivedId('message', tenantId, log.runId, ask.step, 0)
  return {
    message_id,
    created_at,
    name: null,
    otid: otidOf(log, message_id, ask),
    sender_id: null,
    step_id: stepId(tenantId, log.runId, ask.step),
    run_id: log.runId,
  }
}

/**
 * Pieces of a call that came to nothing cannot be taken back: what the model says when it is asked again
 * is another message to whoever puts pieces together.
 */
function otidOf(log: RunLog, messageId: string, { version, attempt }: Ask): string {
  const isFirst = log.entries[version - 1]?.event.type === 'ModelRequested'
  const isInPieces = log.state.options.stream_tokens === true
  return isInPieces && !isFirst ? derivedUuid(messageId, attempt) : derivedUuid(messageId)
}

function isWanted(log: RunLog, messageType: string): boolean {
  const wanted = log.state.options.include_return_message_types
  return wanted === null || wanted.includes(messageType)
}

function endChunks({ runId, state }: RunLog, isLegacy: boolean): Told[] {
  const stop = { message_type: 'stop_reason', stop_reason: state.stopReason ?? 'error' }
  const first: Told = { offset: 1, data: stop }
  if (!state.failure) {
    const answered = state.steps.findLast((step) => step.usage)
    const data = usageStatistics({
      usage: state.usage,
      stepCount: state.steps.length,
      runId,
      contextTokens: answered?.usage?.total_tokens ?? null,
    })
    return [first, { offset: 2, data }]
  }
  const { type: error_type, message, class: detail } = runError(state.failure)
  const failure = { run_id: runId, error_type, message, detail }
  const data = isLegacy ? failure : { message_type: 'error_message', ...failure }
  return [first, { offset: 2, event: 'error', data }]
}

function storedMessage(change: ReturnType<typeof replyMessage>): StoredMessage {
  if (!('table' in change) || change.table !== 'messages' || !('put' in change)) {
    throw new Error('an answer or a return is a message')
  }
  return { ...change.put, created_at: new Date(change.put.created_at) }
}
