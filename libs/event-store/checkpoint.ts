import { createHash, type KeyObject, verify } from 'node:crypto'
import canonicalize from 'canonicalize'

/** What the log of a tenant was, told in one hash. */
export interface Checkpoint {
  readonly tenantId: string
  /** Events it covers, in the order of their positions: leaves of the Merkle tree. */
  readonly size: number
  readonly root: Buffer
  /** Of the last event covered. */
  readonly position: number
  /** UTC ISO-8601 with milliseconds and Z. */
  readonly time: string
}

export interface SignedCheckpoint extends Checkpoint {
  /** Ed25519 over `statement`. */
  readonly signature: Buffer
  readonly keyId: string
}

/**
 * A checkpoint as it is kept outside the database. The marks are the first 4 bytes of each hash that was
 * covered since the checkpoint before: the root proves *that* something changed, they tell *where*.
 */
export interface OutsideCheckpoint extends SignedCheckpoint {
  /** The size of the checkpoint before it. */
  readonly from: number
  /** Null when they could not be told any more. */
  readonly marks: Buffer | null
}

export const MARK_BYTES = 4

/** Whoever holds the private key. */
export interface CheckpointSigner {
  readonly keyId: string
  sign(statement: Buffer): Buffer
}

/** Where checkpoints are kept that whoever owns the database cannot change. */
export interface CheckpointSink {
  /** The newest one kept of a tenant. */
  last(tenantId: string): Promise<SignedCheckpoint | null>
  /** Resolves once they are safe. They come in order, and none is left out. */
  append(checkpoints: readonly OutsideCheckpoint[]): Promise<void>
}

/** Public keys by id: whose signatures count. */
export type PublicKeys = ReadonlyMap<string, KeyObject>

/** The number of the statement's format. */
const FORMAT = 1
const KEY_ID_LENGTH = 16

/**
 * The bytes that are signed: the RFC 8785 (JCS) array
 * `["palimpsest checkpoint", 1, tenant, size, root (hex), position, time]` in UTF-8.
 */
export function statement({ tenantId, size, root, position, time }: Checkpoint): Buffer {
  const parts = [
    'palimpsest checkpoint',
    FORMAT,
    tenantId,
    size,
    root.toString('hex'),
    position,
    time,
  ]
  return Buffer.from(canonicalize(parts) as string, 'utf8')
}

/** The first 16 hexadecimal digits of the SHA-256 of the key in its DER form (SPKI). */
export function keyIdOf(publicKey: KeyObject): string {
  const der = publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(der).digest('hex').slice(0, KEY_ID_LENGTH)
}

/** Whether a signature holds; null when nobody gave us its key. */
export function holds(checkpoint: SignedCheckpoint, keys: PublicKeys): boolean | null {
  const key = keys.get(checkpoint.keyId)
  return key ? verify(null, statement(checkpoint), key, checkpoint.signature) : null
}

/** A checkpoint as JSON: in files, in exports and on the wire. */
export interface CheckpointJson {
  readonly tenant_id: string
  readonly size: number
  readonly root: string
  readonly position: number
  readonly time: string
  readonly signature: string
  readonly key_id: string
}

/** Digests in hexadecimal, the signature in base64. */
export function checkpointJson(checkpoint: SignedCheckpoint): CheckpointJson {
  return {
    tenant_id: checkpoint.tenantId,
    size: checkpoint.size,
    root: checkpoint.root.toString('hex'),
    position: checkpoint.position,
    time: checkpoint.time,
    signature: checkpoint.signature.toString('base64'),
    key_id: checkpoint.keyId,
  }
}

/** Null for anything that has not the form of a checkpoint. */
export function checkpointOf(json: unknown): SignedCheckpoint | null {
  if (typeof json !== 'object' || json === null) return null
  const { tenant_id, size, root, position, time, signature, key_id } = json as Record<
    string,
    unknown
  >
  const texts = [tenant_id, root, time, signature, key_id].every((v) => typeof v === 'string')
  if (!texts || !Number.isSafeInteger(size) || !Number.isSafeInteger(position)) return null
  return {
    tenantId: tenant_id as string,
    size: size as number,
    root: Buffer.from(root as string, 'hex'),
    position: position as number,
    time: time as string,
    signature: Buffer.from(signature as string, 'base64'),
    keyId: key_id as string,
  }
}
