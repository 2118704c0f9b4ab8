import type { FastifyReply } from 'fastify'
import type { AgentState } from './agent-states.js'

/**
 * Labels that differ only in case or Unicode normal form are distinct, which is easily overlooked: the
 * answer says so in a header, since bodies belong to Letta's clients. `similar_labels`, then the ids of
 * the first such blocks.
 */
export function warned(reply: FastifyReply, agent: AgentState): AgentState {
  const seen = new Map<string, string>()
  for (const { id, label } of agent.blocks) {
    const folded = label.normalize('NFC').toLowerCase().normalize('NFC')
    const other = seen.get(folded)
    if (other) {
      reply.header('x-palimpsest-warning', `similar_labels ${other} ${id}`)
      break
    }
    seen.set(folded, id)
  }
  return agent
}
