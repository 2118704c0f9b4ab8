import type { CommandBus } from '@nestjs/cqrs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { BlockChange } from '#commands/block-change.js'
import { type BlockChanged, ChangeBlock } from '#commands/change-block.js'
import type { Accepted, Outcome } from '#commands/metadata.js'
import type { BlockCommand } from '#domain/block-events.js'
import { blockAtVersion } from '#read-models/block-at.js'
import { type BlockView, blockById } from '#read-models/blocks.js'
import type { Reads } from '#read-models/reads.js'
import { accepted, commandMetadata, isDryRun } from './http/command-identity.js'
import { tagged } from './http/entity-tag.js'
import { ifMatchOf } from './http/idempotency-key.js'
import { Problem } from './http/problem.js'
import { blockNotFound, versionFromFuture } from './missing.js'
import { TENANT } from './tenant.js'
import { renderDryRun } from './wire/block-edit-wire.js'

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
): Promise<Accepted<BlockChanged>> {
  const ifMatch = ifMatchOf(request)
  const metadata = { ...commandMetadata(request), ifMatch, baseVersion }
  const outcome = await bus.execute(new ChangeBlock(blockId, change, metadata))
  if (ifMatch === '*' && isMissing(outcome)) {
    // "Whatever its version, but it must exist": that is a precondition, and it failed.
    throw new Problem('version_conflict', `If-Match is *, and block ${blockId} does not exist`, {
      facts: { block_id: blockId, expected: '*', actual: null },
    })
  }
  return accepted(outcome, reply, baseVersion)
}

/**
 * Makes a change and answers with the block as the change left it, or, of a dry run, with what would
 * have been written.
 *
 * @param render the answer, from the block and what the change came to
 */
export async function changedBlock(
  { bus, reads }: { readonly bus: CommandBus; readonly reads: Reads },
  exchange: Exchange,
  blockId: string,
  { change, baseVersion }: { readonly change: BlockChange; readonly baseVersion?: number | null },
  render: (block: BlockView, changed: BlockChanged) => object,
): Promise<object> {
  const outcome = await changeBlock(bus, exchange, blockId, change, baseVersion ?? null)
  const { value, events } = outcome
  if (isDryRun(exchange.request)) return renderDryRun(value, events)
  const block = await blockAfter(reads, value)
  return tagged(exchange.reply, value.version, render(block, value))
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

/**
 * Going back to a version: its text is read first, because history does not change.
 *
 * @throws Problem block_not_found, version_from_future
 */
export async function restoration(
  reads: Reads,
  blockId: string,
  version: number,
): Promise<BlockCommand> {
  const at = await blockAtVersion(reads.pool, TENANT, blockId, version)
  if (!at) throw blockNotFound(blockId)
  if ('head' in at) throw versionFromFuture(blockId, at.head, version)
  return { type: 'RestoreBlock', version, text: at.block.value }
}

function isMissing(outcome: Outcome<unknown>): boolean {
  return !outcome.ok && ['block_not_found', 'gone'].includes(outcome.rejection.code)
}
