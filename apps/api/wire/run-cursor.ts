/**
 * How far a reader of a run has come: through the event of a version, and so many units into what that
 * event is told as, or into the answer that the model was asked for there. It follows from the log alone,
 * so any node can go on where another has stopped.
 */
export interface RunCursor {
  readonly version: number
  readonly offset: number
}

/** More units than one event is ever told as: a model's answer holds at most 16 MiB. */
const UNITS_MAX = 2 ** 24
const VERSION_MAX = 2 ** 28

/** A run that nothing has been told of: behind `TurnQueued`. */
export const RUN_BEGIN: RunCursor = { version: 1, offset: 0 }

/** The one number of Letta's streams; it rises from chunk to chunk. */
export function seqOf({ version, offset }: RunCursor): number {
  return version * UNITS_MAX + offset
}

export function cursorOfSeq(seq: number): RunCursor {
  const version = Math.floor(seq / UNITS_MAX)
  return version < RUN_BEGIN.version ? RUN_BEGIN : { version, offset: seq % UNITS_MAX }
}

/** The id of a message of the native stream: `7`, or `7:120` in the middle of the answer asked for at 7. */
export function idOf({ version, offset }: RunCursor): string {
  return offset === 0 ? String(version) : `${version}:${offset}`
}

/** Null when no stream has given it out. */
export function cursorOfId(id: string): RunCursor | null {
  const [, version, offset] = /^(\d{1,9})(?::(\d{1,8}))?$/.exec(id) ?? []
  if (version === undefined || Number(version) > VERSION_MAX) return null
  return { version: Number(version), offset: Number(offset ?? 0) }
}
