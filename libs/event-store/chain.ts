import { createHash, randomBytes } from 'node:crypto'
import canonicalize from 'canonicalize'
import type { Actor, Correlation } from '#domain/actor.js'

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
  const text = canonicalize([
    FORMAT,
    header.tenantId,
    header.streamId,
    header.version,
    header.type,
    header.schema,
    header.actor,
    header.commandId,
    header.correlation,
    header.baseVersion,
    header.recordedAt,
  ])
  return Buffer.from(text as string, 'utf8')
}

/** Hash of the exact payload text. The salt keeps short texts from being guessed once they are erased. */
export function payloadHash(salt: Buffer, payload: string): Buffer {
  return createHash('sha256').update(salt).update(payload, 'utf8').digest()
}

/** `sha256(prev_hash ‖ payload_hash ‖ header bytes)` */
export function chainHash(prevHash: Buffer, hashOfPayload: Buffer, header: Header): Buffer {
  return createHash('sha256')
    .update(prevHash)
    .update(hashOfPayload)
    .update(headerBytes(header))
    .digest()
}

/** The next link after `prevHash`, with a fresh salt. */
export function link(prevHash: Buffer, payload: string, header: Header): Link {
  const salt = randomBytes(SALT_BYTES)
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
