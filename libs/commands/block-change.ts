import { attach, type BlockPatched, deleteBlock, detach, patchBlock } from '#domain/attachment.js'
import { createBlock, decideBlock, type NewBlockSettings } from '#domain/block.js'
import type { BlockCommand, BlockDecision, Right, Writer } from '#domain/block-events.js'
import { type BlockState, missingPast } from '#domain/block-state.js'
import { accept, type Decided } from '#domain/event.js'
import type { Append } from '#domain/streams.js'
import type { States, Wanted } from '#event-store/unit.js'
import type { CommandMetadata } from './metadata.js'

/** Everything that can happen to one block. */
export type BlockChange =
  | BlockCommand
  | {
      readonly type: 'CreateBlock'
      readonly value: string
      readonly settings: NewBlockSettings
    }
  | { readonly type: 'DeleteBlock'; readonly reason: string | null }
  /** `right` null: `edit` for a new attachment, and no change of one there is. */
  | { readonly type: 'AttachBlock'; readonly agentId: string; readonly right: Right | null }
  | { readonly type: 'DetachBlock'; readonly agentId: string }

/** A change of one block among others, and what its writer had seen of that block. */
export interface BlockEdit {
  readonly blockId: string
  readonly change: BlockChange
  readonly baseVersion?: number | null
  readonly ifMatch?: number | '*' | null
}

/** What the change must be given before it can be judged: further streams, or more of the block's past. */
export function wantedBy(
  states: States,
  { blockId, change }: BlockEdit,
  writer: Writer,
): Wanted | null {
  const block = states.block(blockId)
  const agentIds = agentsOf(block, change)
  if (agentIds.some((id) => !states.has(id))) return { needs: agentIds }
  const since = isEdit(change) ? missingPast(block, change, writer) : null
  return since === null ? null : { since: new Map([[blockId, since]]) }
}

/** What the change appends to the block and to its agents, or why it is refused. */
export function judgeChange(
  states: States,
  { blockId, change }: BlockEdit,
  writer: Writer,
): Decided<BlockPatched> {
  const block = states.block(blockId)
  switch (change.type) {
    case 'CreateBlock':
      return onBlock(blockId, createBlock(block, change.value, change.settings), null)
    case 'DeleteBlock': {
      const agents = agentsOf(block, change).map((id) => states.agent(id))
      return withoutReceipt(deleteBlock(block, change.reason, agents, writer))
    }
    case 'AttachBlock':
      return withoutReceipt(attach(block, states.agent(change.agentId), change.right))
    case 'DetachBlock':
      return withoutReceipt(detach(block, states.agent(change.agentId), writer.actor))
    case 'PatchBlock': {
      const agents = agentsOf(block, change).map((id) => states.agent(id))
      return patchBlock(block, change, writer, agents)
    }
    default:
      return onBlock(blockId, decideBlock(block, change, writer), writer.baseVersion)
  }
}

export function writerOf(
  by: Pick<CommandMetadata, 'actor' | 'correlation'>,
  { baseVersion, ifMatch }: Pick<BlockEdit, 'baseVersion' | 'ifMatch'>,
): Writer {
  return {
    actor: by.actor,
    baseVersion: baseVersion ?? null,
    ifMatch: ifMatch ?? null,
    runId: by.correlation?.run_id ?? null,
  }
}

/** Agents on whose streams the change is said too. */
function agentsOf(block: BlockState, change: BlockChange): readonly string[] {
  switch (change.type) {
    case 'AttachBlock':
    case 'DetachBlock':
      return [change.agentId]
    case 'DeleteBlock':
      return Object.keys(block.attached)
    case 'PatchBlock':
      return change.settings.label === undefined ? [] : Object.keys(block.attached)
    default:
      return []
  }
}

export function isEdit(change: BlockChange): change is BlockCommand {
  switch (change.type) {
    case 'CreateBlock':
    case 'DeleteBlock':
    case 'AttachBlock':
    case 'DetachBlock':
      return false
    default:
      return true
  }
}

function onBlock(
  streamId: string,
  decided: Decided<BlockDecision>,
  baseVersion: number | null,
): Decided<BlockPatched> {
  if (!decided.ok) return decided
  const { events, receipt } = decided.value
  return accept({ appends: events.map((event) => ({ streamId, event, baseVersion })), receipt })
}

function withoutReceipt(decided: Decided<Append[]>): Decided<BlockPatched> {
  return decided.ok ? accept({ appends: decided.value, receipt: null }) : decided
}
