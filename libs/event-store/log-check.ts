import canonicalize from 'canonicalize'
import { apply, type Splice } from '#domain/text.js'
import { HashInput } from './hash-input.js'
import type { StoredEvent } from './log-scan.js'
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

  constructor(private readonly options: LogCheckOptions) {
    this.tree = options.start ?? Frontier.empty()
    this.#tenant = JSON.stringify(options.tenantId)
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
    tip.version = event.version
    tip.hash = event.hash
    if (tip.text !== null) foldText(tip, fault ? null : event.payload)
    this.position = event.position
    this.tree.append(event.hash)
  }

  #begin(event: StoredEvent): Tip {
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

  #fault(event: StoredEvent, tip: Tip): FindingKind | null {
    if (event.version !== tip.version + 1) return 'version'
    if (event.payloadDigest !== null && event.payloadDigest !== event.payloadHash) return 'payload'
    if (event.prevHash !== tip.hash) return 'link'
    return this.#hash(event) === event.hash ? null : 'header'
  }

  #report(event: StoredEvent, expected: number, kind: FindingKind): void {
    const { streamId, position, version } = event
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

  /** `sha256(prev_hash ‖ payload_hash ‖ header)` */
  #hash(event: StoredEvent): string {
    const input = this.#input
    input.begin(event.prevHash)
    input.bytes(event.payloadHash)
    input.text(this.headerText(event))
    return input.sha256()
  }

  /** The header's bytes as text: what `headerBytes` gives, in a fifth of the time. */
  headerText(event: StoredEvent): string {
    const { streamId, version, type, schema, commandId, baseVersion, recordedAt } = event
    const correlation =
      event.correlation === null ? 'null' : canonicalCorrelation(event.correlation)
    return `[1,${this.#tenant},${JSON.stringify(streamId)},${version},${JSON.stringify(type)},${schema},${this.#actor(event.actor)},${JSON.stringify(commandId)},${correlation},${baseVersion},${JSON.stringify(recordedAt)}]`
  }

  /** Few act, and each many times. */
  #actor(text: string): string {
    const known = this.#actors.get(text)
    if (known !== undefined) return known
    if (this.#actors.size >= ACTORS_MAX) this.#actors.clear()
    const canonical = canonicalJson(text)
    this.#actors.set(text, canonical)
    return canonical
  }
}

/** A correlation as a turn writes it, with nothing to escape: its members need only be put in order. */
const CORRELATION =
  /^\{"run_id":("[\w-]*")(?:,"step":(0|[1-9]\d{0,14}))?(?:,"tool_call_id":("[\w-]*"))?(?:,"epoch":(0|[1-9]\d{0,14}))?\}$/

function canonicalCorrelation(text: string): string {
  const match = CORRELATION.exec(text)
  if (!match) return canonicalJson(text)
  const [, runId, step, toolCallId, epoch] = match
  const first = epoch === undefined ? '' : `"epoch":${epoch},`
  const then = step === undefined ? '' : `,"step":${step}`
  const last = toolCallId === undefined ? '' : `,"tool_call_id":${toolCallId}`
  return `{${first}"run_id":${runId}${then}${last}}`
}

/** RFC 8785 of a JSON text. Flat objects, as actors and correlations are, need no general serialiser. */
function canonicalJson(text: string): string {
  const value = JSON.parse(text) as unknown
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return jcs(value)
  const object = value as Record<string, unknown>
  let canonical = ''
  for (const key of Object.keys(object).sort()) {
    const member = object[key]
    if (typeof member === 'object' && member !== null) return jcs(value)
    canonical += `${canonical ? ',' : ''}${JSON.stringify(key)}:${JSON.stringify(member)}`
  }
  return `{${canonical}}`
}

function jcs(value: unknown): string {
  return canonicalize(value) as string
}

/** An erased payload leaves a text that cannot be told any more. */
function foldText(tip: Tip, payload: string | null): void {
  const effect = payload === null ? null : effectOf(payload)
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
function effectOf(payload: string): readonly Splice[] | null {
  try {
    const { effect } = JSON.parse(payload) as { effect?: unknown }
    return Array.isArray(effect) ? effect : null
  } catch {
    return null
  }
}
