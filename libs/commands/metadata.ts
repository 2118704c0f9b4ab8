import type { Command } from '@nestjs/cqrs'
import type { Actor, Correlation } from '#domain/actor.js'
import type { Rejection } from '#domain/errors.js'
import type { StreamEvent, Unit, Verdict } from '#event-store/unit.js'
import type { Writer } from '#event-store/writer.js'

/** The one door to change: hands a command to its handler. */
export type Door = <R>(command: Command<R>) => Promise<R>

/** Who asks, on whose behalf, and how a retry is recognised. */
export interface CommandMetadata {
  readonly tenantId: string
  readonly actor: Actor
  /** What the writer had seen of the block. */
  readonly baseVersion?: number | null
  /** Compares the whole version; `*`: the block exists. */
  readonly ifMatch?: number | '*' | null
  /** A caller's id and a fingerprint of what it asked: applied once, for ever. */
  readonly command?: Unit<unknown>['command']
  readonly correlation?: Correlation | null
  /** Judges, and tells what would be written, and writes nothing. */
  readonly dryRun?: boolean
}

/** Hands a unit to the writer, under the identity of its command. */
export function submit<T>(
  writer: Writer,
  by: CommandMetadata,
  unit: Pick<Unit<T>, 'streams' | 'decide' | 'fence'>,
): Promise<Verdict<T>> {
  const { tenantId, actor, command } = by
  const correlation = by.correlation ?? null
  const whole = { tenantId, actor, correlation, ...(command ? { command } : {}), ...unit }
  return by.dryRun ? writer.preview(whole) : writer.submit(whole)
}

/** A command that was applied, or would be. */
export interface Accepted<T> {
  readonly ok: true
  readonly value: T
  readonly replayed: boolean
  /** What was appended, or would be; of a stored answer they are not known any more. */
  readonly events: readonly StreamEvent[]
}

/** What a command came to: committed and flushed, or refused and nothing changed. */
export type Outcome<T> =
  | Accepted<T>
  | { readonly ok: false; readonly rejection: Rejection; readonly replayed: boolean }

/** For units without a fence: they are never fenced. */
export function outcome<T>(verdict: Verdict<T>): Outcome<T> {
  switch (verdict.status) {
    case 'ok':
      return {
        ok: true,
        value: verdict.result,
        replayed: verdict.replayed,
        events: verdict.events,
      }
    case 'rejected':
      return { ok: false, rejection: verdict.rejection, replayed: verdict.replayed }
    case 'fenced':
      throw new Error('a unit without a fence was fenced')
  }
}
