import { randomFillSync } from 'node:crypto'
import canonicalize from 'canonicalize'
import type { Actor, Correlation } from '#domain/actor.js'
import { HashInput } from './hash-input.js'

/** The number of the header's format: the first element of every header. */
const FORMAT = 1
const SALT_BYTES = 16

/** What stands before the first event of a stream. */
export const GENESIS: Buffer = Buffer.alloc(32)

/** What the hash of an event covers beside its payload. `position` is not in it: checkpoints cover that. */
export interface Header {
  readonly tenantId: string
  readonly streamId: string
  readonly version: number
  readonly type: string
  readonly schema: number
  readonly actor: Actor
  readonly commandId: string
  readonly correlation: Correlation | null
  readonly baseVersion: number | null
  /** UTC ISO-8601 with milliseconds and Z. */
  readonly recordedAt: string
}

/** A link of a stream's chain. */
export interface Link {
  readonly salt: Buffer
  readonly payloadHash: Buffer
  readonly prevHash: Buffer
  readonly hash: Buffer
}

/**
 * The bytes of a header: the RFC 8785 (JCS) array
 * `[1, tenant, stream, version, type, schema, actor, command_id, correlation, base_version, recorded_at]`
 * in UTF-8, with null where a value is absent.
 */
export function headerBytes(header: Header): Buffer {
  return Buffer.from(headerText(header), 'utf8')
}

/** An array's elements stand as they are; only objects need an order of their keys. */
function headerText(header: Header): string {
  const { tenantId, streamId, version, type, schema, actor, commandId, correlation } = header
  const stream = `${tenants.of(tenantId)},${streams.of(streamId)}`
  const who = canonicalObject(actor)
  const where = correlation === null ? 'null' : canonicalObject(correlation)
  return `[${FORMAT},${stream},${version},${types.of(type)},${schema},${who},${jcs(commandId)},${where},${header.baseVersion},${times.of(header.recordedAt)}]`
}

/** The canonical form of the string seen last: events come in runs that share most of their header. */
class Latest {
  #text = ''
  #canonical = '""'

  of(text: string): string {
    if (text !== this.#text) {
      this.#canonical = jcs(text)
      this.#text = text
    }
    return this.#canonical
  }
}

const tenants = new Latest()
const streams = new Latest()
const types = new Latest()
const times = new Latest()

/** RFC 8785 writes strings as ECMAScript does, and knows no lone surrogate. */
function jcs(text: string): string {
  if (!text.isWellFormed()) throw new Error('a lone surrogate has no canonical form')
  return JSON.stringify(text)
}

/** Many events have the same actor, and all of a tool step the same correlation. */
const canonical = new WeakMap<object, string>()

function canonicalObject(object: Actor | Correlation): string {
  const known = canonical.get(object)
  if (known !== undefined) return known
  const text = canonicalize(object) as string
  canonical.set(object, text)
  return text
}

/** Hash of the exact payload text. The salt keeps short texts from being guessed once they are erased. */
export function payloadHash(salt: Buffer, payload: string): Buffer {
  return sha256(salt, null, payload)
}

/** `sha256(prev_hash ‖ payload_hash ‖ header bytes)` */
export function chainHash(prevHash: Buffer, hashOfPayload: Buffer, header: Header): Buffer {
  return sha256(prevHash, hashOfPayload, headerText(header))
}

const input = new HashInput()

function sha256(first: Buffer, second: Buffer | null, text: string): Buffer {
  input.begin()
  input.buffer(first)
  if (second) input.buffer(second)
  input.utf8(text)
  // By way of a string: half the time of a buffer, which would have memory of its own.
  return Buffer.from(input.sha256(), 'latin1')
}

/** Random bytes for many salts at once. */
const SALTS = 256
let salts = Buffer.alloc(0)
let saltsUsed = 0

function freshSalt(): Buffer {
  if (saltsUsed === salts.length) {
    salts = randomFillSync(Buffer.allocUnsafeSlow(SALTS * SALT_BYTES))
    saltsUsed = 0
  }
  saltsUsed += SALT_BYTES
  return salts.subarray(saltsUsed - SALT_BYTES, saltsUsed)
}

/** The next link after `prevHash`, with a fresh salt. */
export function link(prevHash: Buffer, payload: string, header: Header): Link {
  const salt = freshSalt()
  const hashOfPayload = payloadHash(salt, payload)
  return {
    salt,
    payloadHash: hashOfPayload,
    prevHash,
    hash: chainHash(prevHash, hashOfPayload, header),
  }
}

/** A stored event as the verifier needs it; payload and salt are null once erased. */
export interface StoredLink {
  readonly header: Header
  readonly payload: string | null
  readonly salt: Buffer | null
  readonly payloadHash: Buffer
  readonly prevHash: Buffer
  readonly hash: Buffer
}

/**
 * Checks a stream's events in order, from version 1.
 *
 * @returns null when every link holds, else the first version that does not, and why.
 */
export function firstBroken(
  events: readonly StoredLink[],
): { readonly version: number; readonly reason: 'gap' | 'payload' | 'link' | 'hash' } | null {
  let prev = GENESIS
  let version = 0
  for (const event of events) {
    version += 1
    if (event.header.version !== version) return { version, reason: 'gap' }
    if (event.payload !== null && event.salt !== null) {
      if (!payloadHash(event.salt, event.payload).equals(event.payloadHash))
        return { version, reason: 'payload' }
    }
    if (!event.prevHash.equals(prev)) return { version, reason: 'link' }
    if (!chainHash(prev, event.payloadHash, event.header).equals(event.hash))
      return { version, reason: 'hash' }
    prev = event.hash
  }
  return null
}
