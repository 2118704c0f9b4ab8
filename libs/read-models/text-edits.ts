import type { BlamedEdit } from '#domain/blame.js'
import type { BlockEvent } from '#domain/block-events.js'
import { effectOf } from '#event-store/edit-payload.js'
import { UNREAD } from '#event-store/fold-row.js'
import type { Queryable } from '#event-store/stream-reader.js'

/** An edit of a block's text with what it did; of those that bring words back the whole event, too. */
export interface StoredEdit extends BlamedEdit {
  readonly source: null
  readonly event: BlockEvent | null
}

/** Events in memory at once, however long the history. */
const WINDOW_EVENTS = 1_000
const GOING_BACK: ReadonlySet<string> = new Set(['EditReverted', 'BlockRestored'])
const TEXT_TYPES = ['BlockCreated', 'TextInserted', 'TextReplaced', 'BlockRethought', ...GOING_BACK]

type Row = readonly [version: string, type: string, payload: string | null]

/** The edits of a block's text after one version and up to another, in windows, oldest first or newest first. */
export async function* textEdits(
  pool: Queryable,
  tenantId: string,
  blockId: string,
  range: { readonly after: number; readonly upTo: number; readonly order: 'asc' | 'desc' },
): AsyncGenerator<StoredEdit[], void, undefined> {
  let { after, upTo } = range
  while (after < upTo) {
    const { rows } = await pool.query<Row & unknown[]>({
      name: `text-edits-${range.order}`,
      text: `select version, type, payload from events
        where tenant_id = $1 and stream_id = $2 and version > $3 and version <= $4 and type = any($5)
        order by version ${range.order} limit ${WINDOW_EVENTS}`,
      values: [tenantId, blockId, after, upTo, TEXT_TYPES],
      ...UNREAD,
    })
    const edits = rows.map(storedEdit)
    yield edits
    const last = edits.at(-1)
    if (!last || edits.length < WINDOW_EVENTS) return
    if (range.order === 'asc') after = last.version
    else upTo = last.version - 1
  }
}

/** What was erased did nothing that could still be told. */
function storedEdit([version, type, payload]: Row): StoredEdit {
  const effect = payload === null ? [] : (effectOf(payload) ?? [])
  const whole = payload !== null && GOING_BACK.has(type)
  const event = whole ? ({ type, payload: JSON.parse(payload) } as BlockEvent) : null
  return { version: Number(version), type, effect, source: null, event }
}
