import { apply, type Splice } from '#domain/text.js'
import { effectOf } from './edit-payload.js'
import { EventCheck, type EventFault } from './event-check.js'
import { decoded, type StoredEvent } from './event-row.js'
import { Frontier } from './merkle.js'

/** What kind of thing is wrong. */
export type FindingKind =
  /** The payload is not the one that was hashed. */
  | 'payload'
  /** Something else of the event is not what was hashed: its type, its actor, its time … */
  | 'header'
  /** The event does not follow from the one before it in its stream. */
  | 'link'
  /** An event of the stream is missing here, or stands in another place. */
  | 'version'
  /** The head of a stream, or its text, is not what its events give. */
  | 'head'
  /** One command was carried out twice. */
  | 'command'
  /** The log is not the one whose root was signed. */
  | 'checkpoint'
  /** A checkpoint is not signed by a known key, or not as it was. */
  | 'signature'
  /** Events that were signed, or that an export says it holds, are gone. */
  | 'missing'
  /** A line of an export is none. */
  | 'format'

/** Something that must not be. What is not known of its place is null. */
export interface Finding {
  readonly kind: FindingKind
  /** The place in the tenant's log, from 0: which leaf of the Merkle tree. */
  readonly index: number | null
  readonly position: number | null
  readonly streamId: string | null
  readonly version: number | null
  readonly detail: string
}

/** The newest event of a stream, as far as it was read. */
interface Tip {
  version: number
  hash: string
  /** The text of a block; null when it cannot be told. */
  text: string | null
  /** No character of the text is two UTF-16 units: offsets need no counting. */
  narrow: boolean
}

/** An event that was checked in itself, and what is needed of it to check what follows from it. */
export interface CheckedEvent
  extends Pick<StoredEvent, 'position' | 'streamId' | 'version' | 'hash' | 'prevHash'> {
  readonly fault: EventFault | null
  /** What it does to a text; null when that cannot be told. */
  effect(): readonly Splice[] | null
}

export interface LogCheckOptions {
  readonly tenantId: string
  readonly onFinding: (finding: Finding) => void
  /** For a log that does not begin at its beginning: what stands before. */
  readonly start?: Frontier
  /** Streams may begin anywhere: a part of a log. */
  readonly partial?: boolean
  /** Keep the texts of blocks, to compare them with the heads. */
  readonly texts?: boolean
}

const GENESIS = '\0'.repeat(32)

/**
 * Checks events one after another, in the order of the log: every payload against its hash, every
 * event against the one before it in its stream, and grows the Merkle tree over all of them. After a
 * finding it goes on from what is stored, so that one change is not found again at each later event.
 */
export class LogCheck {
  readonly tree: Frontier
  /** Of the newest event. */
  position = 0
  readonly #tips = new Map<string, Tip>()
  readonly #events: EventCheck

  constructor(private readonly options: LogCheckOptions) {
    this.tree = options.start ?? Frontier.empty()
    this.#events = new EventCheck(options.tenantId)
  }

  /** Streams seen so far. */
  get streams(): number {
    return this.#tips.size
  }

  streamIds(): Iterable<string> {
    return this.#tips.keys()
  }

  /** The newest event of a stream, and its text where that was to be kept; undefined for no such stream. */
  tip(streamId: string): Readonly<Tip> | undefined {
    return this.#tips.get(streamId)
  }

  /** Forgets a stream that was compared. */
  drop(streamId: string): void {
    this.#tips.delete(streamId)
  }

  check(event: StoredEvent): void {
    const { position, streamId, version, hash, prevHash, payload } = event
    this.follow({
      ...{ position, streamId, version, hash, prevHash },
      fault: this.#events.fault(event),
      effect: () => (payload === null ? null : effectIn(payload)),
    })
  }

  /** The same for an event that was checked in itself. Its strings are kept. */
  follow(event: CheckedEvent): void {
    const { version, hash } = event
    const tip = this.#tips.get(event.streamId) ?? this.#begin(event)
    const wrong = this.#wrong(event, tip)
    if (wrong) this.#report(event, tip.version + 1, wrong)
    tip.version = version
    tip.hash = hash
    if (tip.text !== null) foldText(tip, wrong ? null : event.effect())
    this.position = event.position
    this.tree.append(hash)
  }

  #begin(event: CheckedEvent): Tip {
    const { partial, texts } = this.options
    const tip: Tip = {
      version: partial ? event.version - 1 : 0,
      hash: partial && event.version > 1 ? event.prevHash : GENESIS,
      text: texts && event.streamId.startsWith('block-') ? '' : null,
      narrow: true,
    }
    this.#tips.set(event.streamId, tip)
    return tip
  }

  #wrong({ version, prevHash, fault }: CheckedEvent, tip: Tip): FindingKind | null {
    if (version !== tip.version + 1) return 'version'
    if (fault === 'payload') return 'payload'
    return prevHash === tip.hash ? fault : 'link'
  }

  #report(event: CheckedEvent, expected: number, kind: FindingKind): void {
    const { position, version } = event
    const streamId = decoded(event.streamId)
    const details: Partial<Record<FindingKind, string>> = {
      version: `version ${expected} of ${streamId} is not here: version ${version} follows instead`,
      payload: `the payload of version ${version} of ${streamId} was changed`,
      link: `version ${version} of ${streamId} does not follow from the version before it`,
      header: `type, actor, time or another field of version ${version} of ${streamId} was changed`,
    }
    this.options.onFinding({
      kind,
      index: this.tree.size,
      position,
      streamId,
      version: kind === 'version' ? Math.min(expected, version) : version,
      detail: details[kind] as string,
    })
  }
}

/** @param effect null when it cannot be told, as of an erased payload: then no later text can be. */
function foldText(tip: Tip, effect: readonly Splice[] | null): void {
  if (effect === null) {
    tip.text = null
    return
  }
  let text = tip.text as string
  for (const splice of effect) {
    tip.narrow &&= !SURROGATE.test(splice.insert)
    text = tip.narrow ? spliced(text, splice) : apply(text, [splice])
  }
  tip.text = text
}

const SURROGATE = /[\ud800-\udfff]/

function spliced(text: string, { offset, delete: count, insert }: Splice): string {
  if (offset === text.length) return text + insert
  return text.slice(0, offset) + insert + text.slice(offset + count)
}

/** Null for an event of another version's making: its hash holds, so it is no finding. */
export function effectIn(payload: string): readonly Splice[] | null {
  try {
    return effectOf(payload, decoded)
  } catch {
    return null
  }
}
