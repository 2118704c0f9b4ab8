import { Problem } from './http/problem.js'

/** What there never was, and another tenant's: one and the same answer. */
export function blockNotFound(blockId: string): Problem {
  return new Problem('block_not_found', `Block ${blockId} not found`, {
    facts: { block_id: blockId },
  })
}

export function runNotFound(runId: string): Problem {
  return new Problem('run_not_found', `There is no run ${runId}`, { facts: { run_id: runId } })
}

export function agentNotFound(agentId: string): Problem {
  return new Problem('agent_not_found', 'Agent not found', { facts: { agent_id: agentId } })
}

export function versionFromFuture(blockId: string, head: number, requested: number): Problem {
  return new Problem('version_from_future', `Block ${blockId} is at version ${head}`, {
    facts: { block_id: blockId, at_version: head, requested },
    hint: `Ask for a version from 1 to ${head}.`,
  })
}

/** @throws Problem block_not_found, gone */
export function existingBlock<T extends { readonly deleted: boolean }>(
  block: T | null,
  blockId: string,
): T {
  if (!block) throw blockNotFound(blockId)
  if (!block.deleted) return block
  throw new Problem('gone', `Block ${blockId} was deleted`, { facts: { block_id: blockId } })
}

/** @throws Problem agent_not_found, gone */
export function existingAgent<T extends { readonly deleted: boolean }>(
  agent: T | null,
  agentId: string,
): T {
  if (!agent) throw agentNotFound(agentId)
  if (!agent.deleted) return agent
  throw new Problem('gone', `Agent ${agentId} was deleted`, { facts: { agent_id: agentId } })
}
