import type { JudgedBlock, ToolReturn } from '#domain/turn-events.js'
import type { Database } from '#postgres/database.js'

/** A version of a block that a run made. */
export interface RunEdit {
  readonly block_id: string
  readonly version: number
}

/** What a run has changed, in the order in which it did. */
export async function editsOfRun(
  db: Database,
  tenantId: string,
  runId: string,
): Promise<RunEdit[]> {
  const rows = await db
    .selectFrom('events')
    .select('payload')
    .where('tenant_id', '=', tenantId)
    .where('stream_id', '=', runId)
    .where('type', '=', 'ToolReturned')
    .orderBy('version')
    .execute()
  return rows
    .flatMap(({ payload }) => judged(payload as ToolReturn | null))
    .filter(({ changed }) => changed)
    .map(({ block_id, version }) => ({ block_id, version }))
}

/** Nothing of a return whose content was erased. */
function judged(returned: ToolReturn | null): readonly JudgedBlock[] {
  return returned?.blocks ?? (returned?.block ? [returned.block] : [])
}
