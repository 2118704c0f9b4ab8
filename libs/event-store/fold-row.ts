import { types } from 'pg'
import type { Actor, Correlation } from '#domain/actor.js'
import type { Foldable } from '#domain/event.js'
import { type AnyEvent, isKnownType } from '#domain/streams.js'
import { foldedPayload } from './edit-payload.js'

/** An event no fold of this version can read: only its own stream is affected. */
export class UnreadableEvent extends Error {
  constructor(streamId: string, version: number, type: string) {
    super(`event ${version} of ${streamId} has the unknown type ${type}: a newer version wrote it`)
    this.name = 'UnreadableEvent'
  }
}

/** What a fold needs of an event, and nothing else: the beginning of a `FoldRow`. */
export const FOLD_COLUMNS =
  "e.version, e.type, e.actor, e.correlation, date_part('epoch', e.recorded_at), e.payload"

export type FoldRow = readonly [
  version: string,
  type: string,
  actor: string,
  correlation: string | null,
  /** Seconds: Postgres takes a third of its time over a whole date. */
  recordedAt: string,
  payload: string | null,
  /** Left out where it is not needed: 32 bytes take long to read. */
  hash?: string,
  streamId?: string,
  /** The state of the newest snapshot, where the version is its own. */
  snapshot?: string | null,
]

/** For a query: values stay the texts they come as, and are read when somebody asks for them. */
export const UNREAD = {
  rowMode: 'array',
  types: { getTypeParser: () => (text: string) => text },
} as const

const readBytes = types.getTypeParser(types.builtins.BYTEA)

export function hashOf(row: FoldRow): Buffer {
  return readBytes(row[6] as string) as unknown as Buffer
}

/** Bytes of its payload. */
export function bytesOf(row: FoldRow): number {
  return row[5] === null ? 0 : Buffer.byteLength(row[5])
}

/**
 * Of most events a fold looks at the payload alone.
 *
 * @throws UnreadableEvent for a type this version does not know.
 */
export function foldable(streamId: string, row: FoldRow): Foldable<AnyEvent> {
  if (!isKnownType(row[1])) throw new UnreadableEvent(streamId, Number(row[0]), row[1])
  return new RowEvent(row) as unknown as Foldable<AnyEvent>
}

class RowEvent implements Omit<Foldable, keyof AnyEvent> {
  readonly version: number
  readonly type: string

  constructor(private readonly row: FoldRow) {
    this.version = Number(row[0])
    this.type = row[1]
  }

  /** Of an edit its effect, which is all that a fold takes from it. */
  get payload(): object | null {
    const payload = this.row[5]
    if (payload === null) return null
    return foldedPayload(this.type, payload)
  }

  get actor(): Actor {
    return JSON.parse(this.row[2])
  }

  get correlation(): Correlation | null {
    return this.row[3] === null ? null : JSON.parse(this.row[3])
  }

  get recordedAt(): string {
    return new Date(Math.round(Number(this.row[4]) * 1_000)).toISOString()
  }
}
