import type { Actor } from '#domain/actor.js'
import type { BlockEvent, Receipt } from '#domain/block-events.js'
import type { Recorded } from '#domain/event.js'
import type { Splice } from '#domain/text.js'
import { type Queryable, readStream } from '#event-store/stream-reader.js'
import { blockExists } from './block-at.js'

/** One event of a block, in the words of the wire. */
export interface HistoryEntry {
  readonly version: number
  readonly type: BlockEvent['type']
  readonly actor: Actor
  readonly run_id: string | null
  readonly step: number | null
  readonly tool_call_id: string | null
  /** The version its writer had seen. */
  readonly base_version: number | null
  /** What changed in the text: splices, each on the text after the one before. */
  readonly effect: readonly Splice[]
  readonly receipt: Receipt | null
  /** What changed beside the text: settings, the agent, the reason; null for an edit of the text. */
  readonly change: object | null
  /** Code points of the text afterwards. */
  readonly length: number
  /** UTC ISO-8601 with milliseconds and Z. */
  readonly at: string
}

export interface HistoryPage {
  readonly entries: readonly HistoryEntry[]
  readonly hasMore: boolean
}

/**
 * A block's events by version, of deleted blocks too.
 *
 * @param page `after`: a version, exclusive, in the direction of `order`
 * @returns null when there never was such a block
 */
export async function blockHistory(
  pool: Queryable,
  tenantId: string,
  blockId: string,
  page: { readonly after: number | null; readonly limit: number; readonly order: 'asc' | 'desc' },
): Promise<HistoryPage | null> {
  const { limit, order, after } = page
  const from = after === null ? {} : { after }
  const events = await readStream(pool, tenantId, blockId, { ...from, limit: limit + 1, order })
  if (events.length === 0 && !(await blockExists(pool, tenantId, blockId))) return null
  const entries = events
    .slice(0, limit)
    .map((event) => historyEntry(event as unknown as Recorded<BlockEvent>))
  return { entries, hasMore: events.length > limit }
}

function historyEntry(event: Recorded<BlockEvent>): HistoryEntry {
  const { correlation, payload } = event
  return {
    version: event.version,
    type: event.type,
    actor: event.actor,
    run_id: correlation?.run_id ?? null,
    step: correlation?.step ?? null,
    tool_call_id: correlation?.tool_call_id ?? null,
    base_version: event.baseVersion,
    effect: payload.effect,
    receipt: payload.receipt ?? null,
    change: changeBesideText(event),
    length: payload.length,
    at: event.recordedAt,
  }
}

function changeBesideText(event: BlockEvent): object | null {
  switch (event.type) {
    case 'TextInserted':
    case 'TextReplaced':
    case 'BlockRethought':
      return null
    case 'BlockCreated': {
      const { value: _, ...settings } = event.payload.intent
      return settings
    }
    default:
      return event.payload.intent
  }
}
