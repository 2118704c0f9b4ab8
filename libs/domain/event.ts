import type { Actor, Correlation } from './actor.js'
import type { Rejection } from './errors.js'

/** What a decider says happened: past tense, plain JSON with snake_case keys, never edited afterwards. */
export interface DomainEvent {
  readonly type: string
  readonly payload: object
}

/** What folds see of an event in the log. `recordedAt` is UTC ISO-8601 with milliseconds and Z. */
export type Foldable<E extends DomainEvent = DomainEvent> = E & {
  /** Place in its stream: 1, 2, 3 … without gap. */
  readonly version: number
  readonly actor: Actor
  readonly correlation: Correlation | null
  readonly recordedAt: string
}

/** An event as the log holds it. */
export type Recorded<E extends DomainEvent = DomainEvent> = Foldable<E> & {
  readonly commandId: string
  /** The version the writer of this event had seen. */
  readonly baseVersion: number | null
}

/** The three kinds of stream; a stream's id carries its kind as prefix. */
export type StreamKind = 'block' | 'agent' | 'turn'

export type Decided<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly rejection: Rejection }

export function accept<T>(value: T): Decided<T> {
  return { ok: true, value }
}

export function reject<T>(rejection: Rejection): Decided<T> {
  return { ok: false, rejection }
}

/** The kind of the stream with this id: block ids, agent ids and run ids name streams. */
export function streamKind(streamId: string): StreamKind {
  if (streamId.startsWith('block-')) return 'block'
  if (streamId.startsWith('agent-')) return 'agent'
  if (streamId.startsWith('run-')) return 'turn'
  throw new Error(`no stream has an id like ${streamId}`)
}
