import type { CommandBus } from '@nestjs/cqrs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { BlockChange } from '#commands/block-change.js'
import { type BlockChanged, ChangeBlock } from '#commands/change-block.js'
import type { Outcome } from '#commands/metadata.js'
import { blockAtVersion } from '#read-models/block-at.js'
import { type BlockView, blockById } from '#read-models/blocks.js'
import type { Reads } from '#read-models/reads.js'
import { commandMetadata, settled } from './http/command-identity.js'
import { ifMatchOf } from './http/idempotency-key.js'
import { Problem } from './http/problem.js'
import { blockNotFound } from './missing.js'
import { TENANT } from './tenant.js'

/** A request and the answer that is being made. */
export interface Exchange {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

/**
 * One change of a block, under the request's `If-Match` and `Idempotency-Key`.
 *
 * @param baseVersion what the caller says it had seen
 * @throws Problem the refusal
 */
export async function changeBlock(
  bus: CommandBus,
  { request, reply }: Exchange,
  blockId: string,
  change: BlockChange,
  baseVersion: number | null = null,
): Promise<BlockChanged> {
  const ifMatch = ifMatchOf(request)
  const metadata = { ...commandMetadata(request), ifMatch, baseVersion }
  const outcome = await bus.execute(new ChangeBlock(blockId, change, metadata))
  if (ifMatch === '*' && isMissing(outcome)) {
    // "Whatever its version, but it must exist": that is a precondition, and it failed.
    throw new Problem('version_conflict', `If-Match is *, and block ${blockId} does not exist`, {
      facts: { block_id: blockId, expected: '*', actual: null },
    })
  }
  return settled(outcome, reply, baseVersion)
}

/** The block as the change left it, even when others have changed it since. */
export async function blockAfter(reads: Reads, changed: BlockChanged): Promise<BlockView> {
  const { block_id: id, version } = changed
  const head = await blockById(reads, TENANT, id)
  if (head?.version === version) return head
  const at = await blockAtVersion(reads.pool, TENANT, id, version)
  if (!at || 'head' in at) throw blockNotFound(id)
  return at.block
}

function isMissing(outcome: Outcome<unknown>): boolean {
  return !outcome.ok && ['block_not_found', 'gone'].includes(outcome.rejection.code)
}
