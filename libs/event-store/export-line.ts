import {
  type CheckpointJson,
  checkpointJson,
  checkpointOf,
  type SignedCheckpoint,
} from './checkpoint.js'
import { decoded, encoded, type StoredEvent } from './event-row.js'

/** The number of the format of exports. */
export const EXPORT_FORMAT = 1

/** The first line: what the export holds, and what proves it. */
export interface ExportHeader {
  readonly tenantId: string
  /** Only this stream; null for the whole log. */
  readonly streamId: string | null
  /** Events after this position. */
  readonly after: number
  /** The tree over all events before: its size, and the roots of its full subtrees. */
  readonly start: { readonly size: number; readonly peaks: Buffer }
  /** The newest one that covers nothing beyond the export. */
  readonly checkpoint: SignedCheckpoint | null
  /** For one stream: that its event of this version is a leaf of the checkpoint's tree. Its chain proves those before. */
  readonly inclusion: {
    readonly version: number
    readonly index: number
    readonly proof: readonly Buffer[]
  } | null
}

/** The last line: without it the export is not whole. */
export interface ExportManifest {
  readonly tenantId: string
  readonly events: number
  readonly firstPosition: number | null
  readonly lastPosition: number | null
  /** Of the whole log up to the last event; for one stream, of the tree over its events alone. */
  readonly size: number
  readonly root: Buffer
  /** Whose signature it carries. */
  readonly keyId: string | null
}

export type ExportLine =
  | { readonly header: ExportHeader }
  | { readonly event: StoredEvent }
  | { readonly manifest: ExportManifest }

export function headerLine(header: ExportHeader): string {
  const { start, checkpoint, inclusion } = header
  return line({
    palimpsest_export: EXPORT_FORMAT,
    tenant_id: header.tenantId,
    stream_id: header.streamId,
    after: header.after,
    start: { size: start.size, peaks: start.peaks.toString('hex') },
    checkpoint: checkpoint && checkpointJson(checkpoint),
    inclusion: inclusion && { ...inclusion, proof: inclusion.proof.map((h) => h.toString('hex')) },
  })
}

export function manifestLine(manifest: ExportManifest): string {
  return line({
    palimpsest_manifest: EXPORT_FORMAT,
    tenant_id: manifest.tenantId,
    events: manifest.events,
    first_position: manifest.firstPosition,
    last_position: manifest.lastPosition,
    size: manifest.size,
    root: manifest.root.toString('hex'),
    key_id: manifest.keyId,
  })
}

/** An event with the attributes of CloudEvents 1.0; digests in hexadecimal, the payload as its exact text. */
export function eventLine(tenantId: string, event: StoredEvent): string {
  return line({
    specversion: '1.0',
    id: `${decoded(event.streamId)}/${event.version}`,
    source: `/palimpsest/${tenantId}`,
    type: decoded(event.type),
    time: decoded(event.recordedAt),
    stream_id: decoded(event.streamId),
    version: event.version,
    position: event.position,
    schema: event.schema,
    actor: JSON.parse(decoded(event.actor)),
    command_id: decoded(event.commandId),
    correlation: event.correlation === null ? null : JSON.parse(decoded(event.correlation)),
    base_version: event.baseVersion,
    payload: event.payload === null ? null : decoded(event.payload),
    salt: hex(event.salt),
    payload_hash: hex(event.payloadHash),
    prev_hash: hex(event.prevHash),
    hash: hex(event.hash),
  })
}

/** Null for a line that is none of an export. */
export function readLine(text: string): ExportLine | null {
  try {
    const json = JSON.parse(text) as Record<string, unknown>
    if ('palimpsest_export' in json) return readHeader(json)
    if ('palimpsest_manifest' in json) return readManifest(json)
    const event = readEvent(json)
    return event && { event }
  } catch {
    return null
  }
}

function readHeader(json: Record<string, unknown>): ExportLine | null {
  if (json.palimpsest_export !== EXPORT_FORMAT) return null
  const start = json.start as { size: number; peaks: string }
  const inclusion = json.inclusion as { version: number; index: number; proof: string[] } | null
  return {
    header: {
      tenantId: String(json.tenant_id),
      streamId: json.stream_id === null ? null : String(json.stream_id),
      after: Number(json.after),
      start: { size: Number(start?.size), peaks: Buffer.from(String(start?.peaks), 'hex') },
      checkpoint: checkpointOf(json.checkpoint as CheckpointJson | null),
      inclusion: inclusion && {
        version: inclusion.version,
        index: inclusion.index,
        proof: inclusion.proof.map((node) => Buffer.from(node, 'hex')),
      },
    },
  }
}

function readManifest(json: Record<string, unknown>): ExportLine | null {
  if (json.palimpsest_manifest !== EXPORT_FORMAT) return null
  return {
    manifest: {
      tenantId: String(json.tenant_id),
      events: Number(json.events),
      firstPosition: json.first_position as number | null,
      lastPosition: json.last_position as number | null,
      size: Number(json.size),
      root: Buffer.from(String(json.root), 'hex'),
      keyId: json.key_id as string | null,
    },
  }
}

function readEvent(json: Record<string, unknown>): StoredEvent | null {
  const { version, position, schema, base_version, payload, correlation, actor } = json
  const numbers = [version, position, schema].every(Number.isSafeInteger)
  const texts = [json.stream_id, json.type, json.command_id, json.time].every(
    (value) => typeof value === 'string',
  )
  const based = base_version === null || Number.isSafeInteger(base_version)
  const paid = payload === null || typeof payload === 'string'
  if (!numbers || !texts || !based || !paid || typeof actor !== 'object') return null
  // A lone surrogate has no bytes that could have been hashed.
  const all = [json.stream_id, json.type, json.command_id, json.time, payload ?? ''] as string[]
  if (!all.every((text) => text.isWellFormed())) return null
  return {
    position: position as number,
    streamId: encoded(json.stream_id as string),
    version: version as number,
    type: encoded(json.type as string),
    schema: schema as number,
    actor: encoded(JSON.stringify(actor)),
    commandId: encoded(json.command_id as string),
    correlation: correlation === null ? null : encoded(JSON.stringify(correlation)),
    baseVersion: base_version as number | null,
    recordedAt: encoded(json.time as string),
    payload: payload === null ? null : encoded(payload as string),
    salt: json.salt === null ? null : bytes(json.salt),
    payloadHash: bytes(json.payload_hash),
    prevHash: bytes(json.prev_hash),
    hash: bytes(json.hash),
  }
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`
}

function hex(bytes: string | null): string | null {
  return bytes === null ? null : Buffer.from(bytes, 'latin1').toString('hex')
}

/** As the binary string that digests travel in. */
function bytes(hex: unknown): string {
  return Buffer.from(String(hex), 'hex').toString('latin1')
}
