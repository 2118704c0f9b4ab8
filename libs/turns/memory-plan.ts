import type { BlockEdit } from '#commands/block-change.js'
import type { AgentState } from '#domain/agent.js'
import type { MemoryOperation } from './memory-operation.js'

/** An operation with its block found, and the edits it comes to. */
export interface PlannedOperation {
  readonly operation: MemoryOperation
  readonly blockId: string
  /** Where its edits begin among those of the call, and how many there are. */
  readonly first: number
  readonly count: number
}

/** What a call does to blocks, all or none of it, in one commit. */
export interface MemoryPlan {
  readonly operations: readonly PlannedOperation[]
  readonly edits: readonly BlockEdit[]
}

/** A label that no block of the agent has, where the call comes to it, and those there are by then. */
export interface UnknownLabel {
  readonly unknown: string
  readonly labels: readonly string[]
}

/**
 * Finds the block of each operation, by the labels as the operations before it leave them. The blocks
 * judge the edits at the commit: a label that another agent changes meanwhile leads to the same block.
 *
 * @param newBlockId an id for the n-th new block of the call, the same each time it is asked.
 */
export function planOperations(
  operations: readonly MemoryOperation[],
  agent: Pick<AgentState, 'id' | 'blocks'>,
  newBlockId: (n: number) => string,
): MemoryPlan | UnknownLabel {
  const labels = new Map(agent.blocks.map((block) => [block.label, block.id]))
  const planned: PlannedOperation[] = []
  const edits: BlockEdit[] = []
  let created = 0
  for (const operation of operations) {
    const { label } = operation
    const blockId = operation.do === 'create' ? newBlockId(created++) : labels.get(label)
    if (blockId === undefined) return { unknown: label, labels: [...labels.keys()] }
    const changes = changesOf(operation, agent.id)
    planned.push({ operation, blockId, first: edits.length, count: changes.length })
    edits.push(...changes.map((change) => ({ blockId, change })))
    relabel(labels, operation, blockId)
  }
  return { operations: planned, edits }
}

function changesOf(operation: MemoryOperation, agentId: string): BlockEdit['change'][] {
  switch (operation.do) {
    case 'edit':
      return [operation.command]
    case 'detach':
      return [{ type: 'DetachBlock', agentId }]
    case 'create': {
      const { label, description, value } = operation
      const create = { type: 'CreateBlock', value, settings: { label, description } } as const
      return [create, { type: 'AttachBlock', agentId, right: null }]
    }
  }
}

/** A label that is taken is refused at the commit: what it would lead to by then is never asked. */
function relabel(labels: Map<string, string>, operation: MemoryOperation, blockId: string): void {
  const to =
    operation.do === 'create'
      ? operation.label
      : operation.do === 'edit' && operation.command.type === 'PatchBlock'
        ? operation.command.settings.label
        : undefined
  if (operation.do === 'detach' || to !== undefined) {
    if (labels.get(operation.label) === blockId) labels.delete(operation.label)
  }
  if (to !== undefined && !labels.has(to)) labels.set(to, blockId)
}
