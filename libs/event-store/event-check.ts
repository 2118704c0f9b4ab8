import canonicalize from 'canonicalize'
import { copyOf, decoded, encoded, type StoredEvent } from './event-row.js'
import { HashInput } from './hash-input.js'

/** What is wrong with an event in itself: its payload, or something else, is not what was hashed. */
export type EventFault = 'payload' | 'header'

const ACTORS_MAX = 10_000

/** Checks events against their own hashes, whatever stands before and after them. */
export class EventCheck {
  readonly #actors = new Map<string, string>()
  /** Of every header. */
  readonly beginning: string
  readonly #input = new HashInput()

  constructor(tenantId: string) {
    this.beginning = `[1,${encoded(JSON.stringify(tenantId))},"`
  }

  fault(event: StoredEvent): EventFault | null {
    if (!this.#paysWhatItHashed(event)) return 'payload'
    return this.#hash(event) === event.hash ? null : 'header'
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
  #hash(event: StoredEvent): string {
    const input = this.#input
    input.begin(event.prevHash)
    input.bytes(event.payloadHash)
    this.#header(event)
    return input.sha256()
  }

  /** The header's bytes: what `headerBytes` gives, in a fraction of the time. */
  header(event: StoredEvent): string {
    this.#input.begin('')
    this.#header(event)
    return this.#input.binary()
  }

  /** Piece by piece: joining them first would take twice as long. */
  #header(event: StoredEvent): void {
    const { version, type, schema, actor, commandId, correlation, baseVersion, recordedAt } = event
    const input = this.#input
    input.bytes(this.beginning)
    input.bytes(escaped(event.streamId))
    input.bytes(`",${version},"`)
    input.bytes(escaped(type))
    input.bytes(`",${schema}`)
    input.bytes(this.actor(actor))
    input.bytes(escaped(commandId))
    input.bytes(correlation === null ? '",null' : canonicalCorrelation(correlation))
    input.bytes(`,${baseVersion},"`)
    input.bytes(escaped(recordedAt))
    input.bytes('"]')
  }

  /** As it stands in a header, with what stands before and behind. Few act, and each many times. */
  actor(text: string): string {
    const known = this.#actors.get(text)
    if (known !== undefined) return known
    if (this.#actors.size >= ACTORS_MAX) this.#actors.clear()
    const canonical = `,${canonicalJson(text)},"`
    this.#actors.set(copyOf(text), canonical)
    return canonical
  }
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

/** As it stands in a header, with what stands before it. */
export function canonicalCorrelation(text: string): string {
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
