import type { RunLog } from '#turns/run-log.js'
import type { StreamMessage } from '../http/event-stream.js'
import { renderRecorded } from './event-wire.js'
import { draftAfter } from './reply-parts.js'
import { idOf, type RunCursor } from './run-cursor.js'

/** Messages that go out together, and where a reader stands who has them. */
export interface RunMessages {
  readonly cursor: RunCursor
  readonly messages: readonly StreamMessage[]
}

/** Everything stands in them: a filter or a name would hide what the log says. */
const ALL_PARTS = {
  use_assistant_message: false,
  assistant_message_tool_name: '',
  assistant_message_tool_kwarg: '',
  include_return_message_types: null,
}

/**
 * A run behind a cursor in our own words: its events, each under the name of its type, and between them
 * what the model has written so far. Pieces are numbered {step, attempt, i}; `i` is where they begin.
 *
 * @param heard the last piece that was sent: an event may come between two of one answer.
 */
export function* runMessagesAfter(
  log: RunLog,
  begin: RunCursor,
  heard: RunCursor | null,
): Generator<RunMessages, void, undefined> {
  let at = begin
  for (let version = begin.version + 1; version <= log.version; version++) {
    const entry = log.entries[version - 1]
    if (!entry) continue
    const { event, restarts } = entry
    const { step, attempt } = restarts ?? {}
    at = { version, offset: 0 }
    yield {
      cursor: at,
      messages: [
        // Before the event and without an id: whoever is cut in between is told again.
        ...(restarts ? [{ event: 'step_restarted', data: { step, attempt } }] : []),
        { id: idOf(at), event: event.type, data: renderRecorded(event) },
      ],
    }
  }
  yield* draftMessages(log, heard ?? at)
}

function* draftMessages(log: RunLog, heard: RunCursor): Generator<RunMessages, void, undefined> {
  const { draft } = log
  if (!draft) return
  const { step, attempt, version } = draft.ask
  let i = heard.version === version ? heard.offset : 0
  for (const { end, item } of draftAfter(draft.reply, i, ALL_PARTS)) {
    const cursor = { version, offset: end }
    const data = { step, attempt, i, ...delta(item) }
    i = end
    yield { cursor, messages: [{ id: idOf(cursor), event: 'delta', data }] }
  }
}

function delta(item: Readonly<Record<string, unknown>>): object {
  if (typeof item['reasoning'] === 'string') return { reasoning: item['reasoning'] }
  if (typeof item['content'] === 'string') return { content: item['content'] }
  return { tool_call: item['tool_call'] }
}
