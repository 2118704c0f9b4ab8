import { createHash } from 'node:crypto'
import { type IdPrefix, idFromBytes, uuidFromBytes } from '#domain/ids.js'

/**
 * Ids of messages and steps are not drawn but derived, so that a rebuild gives the same ones.
 * `parts` name the thing: run, step, item.
 */
export function derivedId(prefix: IdPrefix, ...parts: readonly (string | number)[]): string {
  return idFromBytes(prefix, digest([prefix, ...parts]))
}

/** A uuid for what carries no prefix, such as `otid`. */
export function derivedUuid(...parts: readonly (string | number)[]): string {
  return uuidFromBytes(digest(parts))
}

function digest(parts: readonly (string | number)[]): Buffer {
  return createHash('sha256').update(JSON.stringify(parts)).digest()
}

/** The id of a turn's model step. */
export function stepId(tenantId: string, runId: string, step: number): string {
  return derivedId('step', tenantId, runId, step)
}
