import type { Database } from '#postgres/database.js'
import type { StoredMessage } from './messages.js'
import { getRun, type RunRow } from './runs.js'

/** What the caller of a turn is answered. */
export interface RunResult {
  readonly run: RunRow
  /** What the agent and its tools added, in order; the input and answers to its calls are not said back. */
  readonly messages: readonly StoredMessage[]
  /** Tokens in the context at the last step, or null when no model has answered. */
  readonly contextTokens: number | null
}

/**
 * A run with its outcome, finished or as far as it is; null when there is none with this id.
 *
 * @param after a version of the turn: only what was said since
 */
export async function runResult(
  db: Database,
  tenantId: string,
  runId: string,
  after = 0,
): Promise<RunResult | null> {
  const [run, messages, lastStep] = await Promise.all([
    getRun(db, tenantId, runId),
    db
      .selectFrom('messages')
      .selectAll()
      .where('tenant_id', '=', tenantId)
      .where('run_id', '=', runId)
      .where('step_id', 'is not', null)
      .where('role', '<>', 'approval')
      .where('version', '>', after)
      .orderBy('version')
      .orderBy('item')
      .execute(),
    db
      .selectFrom('steps')
      .select('usage')
      .where('tenant_id', '=', tenantId)
      .where('run_id', '=', runId)
      .where('kind', '=', 'model')
      .where('usage', 'is not', null)
      .orderBy('step', 'desc')
      .limit(1)
      .executeTakeFirst(),
  ])
  if (!run) return null
  return { run, messages, contextTokens: lastStep?.usage?.total_tokens ?? null }
}
