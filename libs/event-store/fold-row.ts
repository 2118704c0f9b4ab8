import { types } from 'pg'
import type { Actor, Correlation } from '#domain/actor.js'
import type { Foldable } from '#domain/event.js'
import { type AnyEvent, isKnownType } from '#domain/streams.js'
import { foldedPayload } from './edit-payload.js'
import { decoded, encoded, KEY_COLUMNS, RowFields } from './event-row.js'

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

/** The same of a stream that is read in windows, as columns of a COPY. */
export const COPIED_COLUMNS = `${KEY_COLUMNS}, type, payload, actor, correlation, recorded_at`

/** As a fold takes it, and the bytes of its payload. */
export type FoldEvent = Foldable<AnyEvent> & { readonly bytes: number }

/** @throws UnreadableEvent for a type this version does not know. */
export function foldEvent(streamId: string, row: FoldRow): FoldEvent {
  const [version, type, actor, correlation, seconds, payload] = row
  const bytes = payload === null ? 0 : Buffer.byteLength(payload)
  const texts = { payload, actor, correlation, decode: asItIs }
  return known(streamId, new RowEvent(Number(version), type, bytes, texts, 1_000 * Number(seconds)))
}

/**
 * @param row of `COPIED_COLUMNS`, as a binary string.
 * @throws UnreadableEvent for a type this version does not know.
 */
export function copiedEvent(streamId: string, row: string): FoldEvent {
  const fields = new RowFields(row)
  fields.bigint()
  const version = fields.int() as number
  const type = typeOf(fields.bytes() as string)
  const payload = fields.bytes()
  const actor = fields.bytes() as string
  const texts = { payload, actor, correlation: fields.bytes(), decode: decoded }
  return known(streamId, new RowEvent(version, type, payload?.length ?? 0, texts, fields.time()))
}

function known(streamId: string, event: RowEvent): FoldEvent {
  const { version, type } = event
  if (!isKnownType(type)) throw new UnreadableEvent(streamId, version, type)
  return event as unknown as FoldEvent
}

/** Neighbours are mostly of one type: a text that is known needs not be looked up. */
let newestType = { bytes: '', text: '' }

function typeOf(bytes: string): string {
  if (bytes !== newestType.bytes) {
    const text = decoded(bytes)
    newestType = { bytes: encoded(text), text }
  }
  return newestType.text
}

interface RowTexts {
  readonly payload: string | null
  readonly actor: string
  readonly correlation: string | null
  readonly decode: (text: string) => string
}

function asItIs(text: string): string {
  return text
}

/** Of most events a fold looks at the payload alone. */
class RowEvent implements Omit<Foldable, keyof AnyEvent> {
  constructor(
    readonly version: number,
    readonly type: string,
    readonly bytes: number,
    private readonly texts: RowTexts,
    private readonly milliseconds: number,
  ) {}

  /** Of an edit its effect, which is all that a fold takes from it. */
  get payload(): object | null {
    const { payload, decode } = this.texts
    if (payload === null) return null
    return foldedPayload(this.type, payload, decode)
  }

  get actor(): Actor {
    return JSON.parse(this.texts.decode(this.texts.actor))
  }

  get correlation(): Correlation | null {
    const { correlation, decode } = this.texts
    return correlation === null ? null : JSON.parse(decode(correlation))
  }

  get recordedAt(): string {
    return new Date(Math.round(this.milliseconds)).toISOString()
  }
}
