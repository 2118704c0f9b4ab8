/** The resources of the wire, each with its prefix. */
export type IdPrefix =
  | 'agent'
  | 'block'
  | 'message'
  | 'run'
  | 'schedule'
  | 'step'
  | 'tool'
  | 'trigger'

const UUID_V4 = '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}'
const ID = new RegExp(`^([a-z]+)-${UUID_V4}$`)

/** The canonical (lower-case) form of `<prefix>-<uuid v4>`, or null when it is none of that prefix. */
export function parseId(prefix: IdPrefix, text: string): string | null {
  const id = text.toLowerCase()
  return ID.exec(id)?.[1] === prefix ? id : null
}

/**
 * An id of `prefix` from 16 bytes, random or of a hash: clients check that ids are uuids of version 4,
 * so derived ids take that shape too.
 */
export function idFromBytes(prefix: IdPrefix, bytes: Uint8Array): string {
  return `${prefix}-${uuidFromBytes(bytes)}`
}

/** A uuid of version 4's shape from the first 16 bytes. */
export function uuidFromBytes(bytes: Uint8Array): string {
  const hex = Array.from(bytes.subarray(0, 16), (byte, i) => {
    const shaped = i === 6 ? (byte & 0x0f) | 0x40 : i === 8 ? (byte & 0x3f) | 0x80 : byte
    return shaped.toString(16).padStart(2, '0')
  }).join('')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-')
}
