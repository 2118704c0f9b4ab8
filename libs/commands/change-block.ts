import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs'
import { deleteBlock, patchBlock } from '#domain/attachment.js'
import { createBlock, decideBlock } from '#domain/block.js'
import type {
  BlockCommand,
  BlockEvent,
  BlockSettings,
  Writer as BlockWriter,
  Receipt,
} from '#domain/block-events.js'
import type { Decided } from '#domain/event.js'
import type { Append } from '#domain/streams.js'
import type { Decision, States } from '#event-store/unit.js'
import { Writer } from '#event-store/writer.js'
import { type CommandMetadata, type Outcome, outcome } from './metadata.js'

export type BlockChange =
  | BlockCommand
  | {
      readonly type: 'CreateBlock'
      readonly value: string
      readonly settings: Partial<BlockSettings> & { readonly label: string }
    }
  | { readonly type: 'DeleteBlock'; readonly reason: string | null }

export interface BlockChanged {
  readonly block_id: string
  /** The block's version after the command. */
  readonly version: number
  readonly changed: boolean
  /** What the edit did, and what it overwrote; null when it did nothing to the text. */
  readonly receipt: Receipt | null
}

/** One command on one block; renaming and deleting concern its agents too, in the same unit. */
export class ChangeBlock extends Command<Outcome<BlockChanged>> {
  constructor(
    readonly blockId: string,
    readonly change: BlockChange,
    readonly by: CommandMetadata,
  ) {
    super()
  }
}

@CommandHandler(ChangeBlock)
export class ChangeBlockHandler implements ICommandHandler<ChangeBlock> {
  constructor(private readonly writer: Writer) {}

  async execute({ blockId, change, by }: ChangeBlock): Promise<Outcome<BlockChanged>> {
    const verdict = await this.writer.submit<BlockChanged>({
      tenantId: by.tenantId,
      streams: [blockId],
      actor: by.actor,
      correlation: by.correlation ?? null,
      ...(by.command ? { command: by.command } : {}),
      decide: (states) => decide(states, blockId, change, by),
    })
    return outcome(verdict)
  }
}

function decide(
  states: States,
  blockId: string,
  change: BlockChange,
  by: CommandMetadata,
): Decision<BlockChanged> {
  const block = states.block(blockId)
  const agentIds = Object.keys(block.attached)
  if (concernsAgents(change) && agentIds.some((id) => !states.has(id))) return { needs: agentIds }
  const writer: BlockWriter = {
    actor: by.actor,
    baseVersion: by.baseVersion ?? null,
    ifMatch: by.ifMatch ?? null,
    runId: by.correlation?.run_id ?? null,
  }
  const decided = judge(states, blockId, change, writer)
  if (!decided.ok) return { rejection: decided.rejection }
  const appends = decided.value
  const own = appends.filter((append) => append.streamId === blockId)
  return { appends, result: changed(blockId, block.version + own.length, own) }
}

function judge(
  states: States,
  blockId: string,
  change: BlockChange,
  writer: BlockWriter,
): Decided<Append[]> {
  const block = states.block(blockId)
  const agents = concernsAgents(change)
    ? Object.keys(block.attached).map((id) => states.agent(id))
    : []
  switch (change.type) {
    case 'CreateBlock':
      return onBlock(blockId, createBlock(block, change.value, change.settings), null)
    case 'DeleteBlock':
      return deleteBlock(block, change.reason, agents, writer)
    case 'PatchBlock':
      return patchBlock(block, change, writer, agents)
    default:
      return onBlock(blockId, decideBlock(block, change, writer), writer.baseVersion)
  }
}

function concernsAgents(change: BlockChange): boolean {
  return (
    change.type === 'DeleteBlock' ||
    (change.type === 'PatchBlock' && change.settings.label !== undefined)
  )
}

function onBlock(
  blockId: string,
  decided: Decided<BlockEvent[]>,
  baseVersion: number | null,
): Decided<Append[]> {
  if (!decided.ok) return decided
  return {
    ok: true,
    value: decided.value.map((event) => ({ streamId: blockId, event, baseVersion })),
  }
}

/** The answer to a change of a block, from the events it made there. */
export function changed(
  blockId: string,
  version: number,
  appends: readonly Append[],
): BlockChanged {
  const receipts = appends.map(({ event }) => (event.payload as { receipt?: Receipt }).receipt)
  const receipt = receipts.find((r) => r !== undefined) ?? null
  return { block_id: blockId, version, changed: appends.length > 0, receipt }
}
