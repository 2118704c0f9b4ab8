import { sql } from 'kysely'
import type { Right } from '#domain/block-events.js'
import { type BlockQueryRow, type BlockView, blockViews } from './blocks.js'
import { type Listed, type PageRequest, readPage, type SortKey } from './listing.js'
import type { Reads } from './reads.js'
import { streamHead } from './stream-head.js'

/** A block as one agent has it. */
export interface AttachedBlockView extends BlockView {
  readonly right: Right
}

/** The blocks of each agent in the order of attachment, which is that of the prompt. */
export async function blocksOfAgents(
  reads: Reads,
  tenantId: string,
  agentIds: readonly string[],
): Promise<Map<string, BlockView[]>> {
  if (agentIds.length === 0) return new Map()
  const rows = await attachedRows(reads, tenantId)
    .where('a.agent_id', 'in', agentIds)
    .orderBy('a.place')
    .execute()
  // A shared block stands in several rows: its text is read once.
  const shared = new Map<string, BlockQueryRow>(rows.map((row) => [row.block_id, row]))
  const views = await blockViews(reads, tenantId, [...shared.values()])
  const blocks = new Map(views.map((view) => [view.id, view]))
  const byAgent = new Map<string, BlockView[]>(agentIds.map((id) => [id, []]))
  for (const row of rows) byAgent.get(row.agent_id)?.push(blocks.get(row.block_id) as BlockView)
  return byAgent
}

/** An agent's blocks by the order of attachment; cursors are block ids. */
export function listBlocksOfAgent(
  reads: Reads,
  tenantId: string,
  agentId: string,
  page: PageRequest,
): Promise<Listed<AttachedBlockView>> {
  return readPage(
    page,
    [sql.ref('a.place')],
    (cursor) => sortKey(reads, tenantId, agentId, cursor),
    async ({ within, orderBy, limit }) => {
      const rows = await attachedRows(reads, tenantId)
        .where('a.agent_id', '=', agentId)
        .where(within)
        .orderBy(orderBy)
        .limit(limit)
        .execute()
      return attachedViews(reads, tenantId, rows)
    },
  )
}

/** The block an agent has under a label: labels are unique on one agent. */
export async function blockOfAgent(
  reads: Reads,
  tenantId: string,
  agentId: string,
  label: string,
): Promise<AttachedBlockView | null> {
  const rows = await attachedRows(reads, tenantId)
    .where('a.agent_id', '=', agentId)
    .where('a.label', '=', label)
    .execute()
  const [block] = await attachedViews(reads, tenantId, rows)
  return block ?? null
}

async function attachedViews(
  reads: Reads,
  tenantId: string,
  rows: readonly (BlockQueryRow & { readonly access_right: Right })[],
): Promise<AttachedBlockView[]> {
  const views = await blockViews(reads, tenantId, rows)
  return views.map((view, i) => ({ ...view, right: rows[i]?.access_right as Right }))
}

/** From the attachments on, block by block: no plan may look at the blocks of other agents for it. */
function attachedRows({ db }: Reads, tenantId: string) {
  return db
    .selectFrom('attachments as a')
    .innerJoinLateral(
      (eb) =>
        eb
          .selectFrom('blocks')
          .selectAll()
          .where('tenant_id', '=', tenantId)
          .whereRef('block_id', '=', 'a.block_id')
          .limit(1)
          .as('b'),
      (join) => join.onTrue(),
    )
    .innerJoinLateral(streamHead(tenantId, 'b.block_id'), (join) => join.onTrue())
    .where('a.tenant_id', '=', tenantId)
    .selectAll('b')
    .select(['s.stream_id', 's.version', 's.value', 's.actor', 's.recorded_at'])
    .select(['a.agent_id', 'a.access_right'])
}

/** The place is the agent's version at the attachment: no two blocks of an agent share one. */
async function sortKey(
  { db }: Reads,
  tenantId: string,
  agentId: string,
  blockId: string,
): Promise<SortKey | undefined> {
  const row = await db
    .selectFrom('attachments')
    .select('place')
    .where('tenant_id', '=', tenantId)
    .where('agent_id', '=', agentId)
    .where('block_id', '=', blockId)
    .executeTakeFirst()
  return row && [row.place]
}
