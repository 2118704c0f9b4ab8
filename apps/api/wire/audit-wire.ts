import { checkpointJson, type SignedCheckpoint } from '#event-store/checkpoint.js'
import type { InclusionProof } from '#event-store/proofs.js'
import type { StreamVerification } from '#event-store/verify-stream.js'

/** A signed checkpoint. `signature` is over the statement that docs/audit.md spells out. */
export function renderCheckpoint(checkpoint: SignedCheckpoint): object {
  const { tenant_id: _, ...fields } = checkpointJson(checkpoint)
  return { object: 'checkpoint', ...fields }
}

export function renderVerification(
  blockId: string,
  { version, first }: StreamVerification,
  signedVersion: number,
): object {
  return {
    object: 'verification',
    block_id: blockId,
    verified: first === null,
    version,
    signed_version: signedVersion,
    first_bad: first && { version: first.version, kind: first.kind, detail: first.detail },
  }
}

/** Nulls for an event that no checkpoint covers yet. */
export function renderInclusion(
  event: { readonly blockId: string; readonly version: number; readonly hash: Buffer },
  checkpoint: SignedCheckpoint | null,
  inclusion: InclusionProof | null,
): object {
  const covered = checkpoint && inclusion
  return {
    object: 'inclusion_proof',
    block_id: event.blockId,
    version: event.version,
    hash: event.hash.toString('hex'),
    index: inclusion?.index ?? null,
    proof: inclusion ? hexes(inclusion.proof) : null,
    checkpoint: covered ? renderCheckpoint(checkpoint) : null,
  }
}

export function renderConsistency(from: number, to: number, proof: readonly Buffer[]): object {
  return { object: 'consistency_proof', from, to, proof: hexes(proof) }
}

function hexes(hashes: readonly Buffer[]): string[] {
  return hashes.map((hash) => hash.toString('hex'))
}
