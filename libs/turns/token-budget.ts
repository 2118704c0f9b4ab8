import type { TurnState } from '#domain/turn.js'
import type { Database } from '#postgres/database.js'
import { dayTokens } from '#read-models/day-tokens.js'
import { estimateTokens } from './context.js'
import type { ModelRequest } from './ports.js'
import type { TurnContext } from './turn-context.js'

export interface OverBudget {
  readonly detail: string
  readonly facts: Readonly<Record<string, number>>
}

/**
 * Whether a call would exceed what its turn may use, or its agent in a day.
 *
 * @returns null when it may be made
 */
export async function overBudget(
  db: Database,
  tenantId: string,
  turn: TurnState,
  context: TurnContext,
  request: ModelRequest,
): Promise<OverBudget | null> {
  return overTurnBudget(turn, request) ?? overDayBudget(db, tenantId, turn, context, request)
}

/** The request is held to what its prompt leaves of the turn's budget. */
function overTurnBudget(
  { budget, usage }: TurnState,
  { maxOutputTokens }: ModelRequest,
): OverBudget | null {
  const { max_tokens: max } = budget
  if (max === undefined || maxOutputTokens !== 0) return null
  const used = usage.total_tokens
  const detail = `The next call of the model would exceed the turn's ${max} tokens: ${used} are used`
  return { detail, facts: { max_tokens: max, used_tokens: used } }
}

/**
 * A day is UTC's. The prompt is counted by estimate, the answer not at all: a day's budget is overdrawn by
 * one answer at most.
 */
async function overDayBudget(
  db: Database,
  tenantId: string,
  turn: TurnState,
  { agent }: TurnContext,
  request: ModelRequest,
): Promise<OverBudget | null> {
  const { max_tokens_per_day: max } = agent.settings
  if (max === null) return null
  const before = await dayTokens(db, tenantId, turn.agentId, turn.id)
  const used = before + turn.usage.total_tokens
  if (used + estimateTokens(JSON.stringify(request.messages)) <= max) return null
  const detail = `The next call of the model would exceed the ${max} tokens that agent ${agent.id} may use in a day (UTC): ${used} are used`
  return { detail, facts: { max_tokens_per_day: max, used_tokens: used } }
}
