import { isKnownType } from '#domain/streams.js'
import { encodeCursor } from '#event-store/cursor.js'
import type { FeedEvent, FeedFilter } from '#event-store/feed-event.js'
import { Problem } from '../http/problem.js'
import type { QueryReader } from '../http/query.js'

/** An event of the log on the wire. */
export interface WireEvent {
  /** Passed on as `after`, it continues behind this event. */
  readonly cursor: string
  readonly position: number
  readonly stream_id: string
  readonly version: number
  readonly type: string
  readonly actor: object
  readonly run_id: string | null
  readonly step: number | null
  readonly tool_call_id: string | null
  readonly base_version: number | null
  /** Null once erased. */
  readonly payload: object | null
  readonly at: string
  /** Of the chain, in hex. */
  readonly hash: string
}

export function renderEvent(event: FeedEvent): WireEvent {
  return {
    cursor: encodeCursor(event.tenantId, event.position),
    position: event.position,
    ...renderRecorded(event),
    hash: event.hash.toString('hex'),
  }
}

type Recorded = Pick<
  FeedEvent,
  | 'streamId'
  | 'version'
  | 'type'
  | 'actor'
  | 'correlation'
  | 'baseVersion'
  | 'payload'
  | 'recordedAt'
>

/** What an event is told as, from wherever it was read. */
export function renderRecorded(event: Recorded): Omit<WireEvent, 'cursor' | 'position' | 'hash'> {
  const { correlation } = event
  return {
    stream_id: event.streamId,
    version: event.version,
    type: event.type,
    actor: event.actor,
    run_id: correlation?.run_id ?? null,
    step: correlation?.step ?? null,
    tool_call_id: correlation?.tool_call_id ?? null,
    base_version: event.baseVersion,
    payload: event.payload,
    at: event.recordedAt,
  }
}

/**
 * `types` (repeated, or with commas between), `agent` and `block`: what is given must all hold.
 *
 * @throws Problem invalid_query: a type that does not exist would find nothing, for ever and in silence
 */
export function eventFilter(query: QueryReader): FeedFilter {
  const types = query.texts('types').flatMap((text) => text.split(','))
  const unknown = types.find((type) => !isKnownType(type))
  if (unknown !== undefined) {
    throw new Problem('invalid_query', 'The query parameter types names no type of event', {
      facts: { parameter: 'types', unknown: unknown.slice(0, 100) },
    })
  }
  const agentId = query.id('agent', 'agent')
  const streamId = query.id('block', 'block')
  return {
    ...(types.length > 0 ? { types } : {}),
    ...(agentId ? { agentId } : {}),
    ...(streamId ? { streamId } : {}),
  }
}
