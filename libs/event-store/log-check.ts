import canonicalize from 'canonicalize'
import { apply, type Splice } from '#domain/text.js'
import { effectOf } from './edit-payload.js'
import { decoded, encoded, type StoredEvent } from './event-row.js'
import { HashInput } from './hash-input.js'
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
  /** Of each of its headers the beginning. */
  readonly prefix: string
  version: number
  hash: string
  /** The text of a block; null when it cannot be told. */
  text: string | null
  /** No character of the text is two UTF-16 units: offsets need no counting. */
  narrow: boolean
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
const ACTORS_MAX = 10_000

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
  readonly #actors = new Map<string, string>()
  readonly #tenant: string
  readonly #input = new HashInput()
  /** Of the event that was hashed last. */
  #digest = ''

  constructor(private readonly options: LogCheckOptions) {
    this.tree = options.start ?? Frontier.empty()
    this.#tenant = encoded(JSON.stringify(options.tenantId))
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
    const tip = this.#tips.get(event.streamId) ?? this.#begin(event)
    const fault = this.#fault(event, tip)
    if (fault) this.#report(event, tip.version + 1, fault)
    // A part of a row would keep the row: the digest that equals it does not.
    const hash = fault ? copyOf(event.hash) : this.#digest
    tip.version = event.version
    tip.hash = hash
    if (tip.text !== null) foldText(tip, fault ? null : event.payload)
    this.position = event.position
    this.tree.append(hash)
  }

  #begin(event: StoredEvent): Tip {
    const { partial, texts } = this.options
    const streamId = copyOf(event.streamId)
    const tip: Tip = {
      prefix: this.#prefix(streamId),
      version: partial ? event.version - 1 : 0,
      hash: partial && event.version > 1 ? event.prevHash : GENESIS,
      text: texts && event.streamId.startsWith('block-') ? '' : null,
      narrow: true,
    }
    this.#tips.set(streamId, tip)
    return tip
  }

  #fault(event: StoredEvent, tip: Tip): FindingKind | null {
    if (event.version !== tip.version + 1) return 'version'
    if (!this.#paysWhatItHashed(event)) return 'payload'
    if (event.prevHash !== tip.hash) return 'link'
    this.#digest = this.#hash(event, tip)
    return this.#digest === event.hash ? null : 'header'
  }

  #report(event: StoredEvent, expected: number, kind: FindingKind): void {
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

  /** `sha256(salt ‖ payload)`; of an erased payload only the hash is left. */
  #paysWhatItHashed({ payload, salt, payloadHash }: StoredEvent): boolean {
    if (payload === null) return true
    const input = this.#input
    input.begin(salt ?? '')
    input.bytes(payload)
    return input.sha256() === payloadHash
  }

  /** `sha256(prev_hash ‖ payload_hash ‖ header)` */
  #hash(event: StoredEvent, tip: Tip): string {
    const input = this.#input
    input.begin(event.prevHash)
    input.bytes(event.payloadHash)
    input.bytes(tip.prefix)
    this.#rest(event)
    return input.sha256()
  }

  /** The header's bytes: what `headerBytes` gives, in a fraction of the time. */
  header(event: StoredEvent): string {
    this.#input.begin(this.#prefix(event.streamId))
    this.#rest(event)
    return this.#input.binary()
  }

  #prefix(streamId: string): string {
    return `[1,${this.#tenant},"${escaped(streamId)}",`
  }

  /** Piece by piece: joining them first would take twice as long. */
  #rest(event: StoredEvent): void {
    const { version, type, schema, actor, commandId, correlation, baseVersion, recordedAt } = event
    const input = this.#input
    input.bytes(`${version},"`)
    input.bytes(escaped(type))
    input.bytes(`",${schema}`)
    input.bytes(this.#actor(actor))
    input.bytes(escaped(commandId))
    input.bytes(correlation === null ? '",null' : canonicalCorrelation(correlation))
    input.bytes(`,${baseVersion},"`)
    input.bytes(escaped(recordedAt))
    input.bytes('"]')
  }

  /** Few act, and each many times: with what stands before and behind. */
  #actor(text: string): string {
    const known = this.#actors.get(text)
    if (known !== undefined) return known
    if (this.#actors.size >= ACTORS_MAX) this.#actors.clear()
    const canonical = `,${canonicalJson(text)},"`
    this.#actors.set(copyOf(text), canonical)
    return canonical
  }
}

/** The same text, and no part of another. */
function copyOf(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

/** All that JSON has to escape. */
const SPECIAL = /["\\\x00-\x1f]/

/** A text as it stands between the quotes of JSON. */
function escaped(text: string): string {
  return SPECIAL.test(text) ? encoded(JSON.stringify(decoded(text)).slice(1, -1)) : text
}

/** A correlation as a turn writes it, with nothing to escape: its members need only be put in order. */
const CORRELATION =
  /^\{"run_id":("[\w-]*")(?:,"step":(0|[1-9]\d{0,14}))?(?:,"tool_call_id":("[\w-]*"))?(?:,"epoch":(0|[1-9]\d{0,14}))?\}$/

/** With what stands before it in a header. */
function canonicalCorrelation(text: string): string {
  const match = CORRELATION.exec(text)
  if (!match) return `",${canonicalJson(text)}`
  const [, runId, step, toolCallId, epoch] = match
  const first = epoch === undefined ? '' : `"epoch":${epoch},`
  const then = step === undefined ? '' : `,"step":${step}`
  const last = toolCallId === undefined ? '' : `,"tool_call_id":${toolCallId}`
  return `",{${first}"run_id":${runId}${then}${last}}`
}

/** RFC 8785 of a JSON text. Flat objects, as actors and correlations are, need no general serialiser. */
function canonicalJson(text: string): string {
  const value = JSON.parse(decoded(text)) as unknown
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return jcs(value)
  const object = value as Record<string, unknown>
  let canonical = ''
  for (const key of Object.keys(object).sort()) {
    const member = object[key]
    if (typeof member === 'object' && member !== null) return jcs(value)
    canonical += `${canonical ? ',' : ''}${JSON.stringify(key)}:${JSON.stringify(member)}`
  }
  return encoded(`{${canonical}}`)
}

function jcs(value: unknown): string {
  return encoded(canonicalize(value) as string)
}

/** An erased payload leaves a text that cannot be told any more. */
function foldText(tip: Tip, payload: string | null): void {
  const effect = payload === null ? null : effectIn(payload)
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
function effectIn(payload: string): readonly Splice[] | null {
  try {
    return effectOf(payload, decoded)
  } catch {
    return null
  }
}
