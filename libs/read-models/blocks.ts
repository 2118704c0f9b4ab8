import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Actor } from '#domain/actor.js'
import type { BlockSettings } from '#domain/block-events.js'
import { headTexts } from '#event-store/stream-reader.js'
import type { Database } from '#postgres/database.js'
import { type Listed, type PageRequest, readPage, type SortKey } from './listing.js'
import type { Reads } from './reads.js'
import { streamHead } from './stream-head.js'

/** A block as it stands at `version`: text and version of one moment, and who touched it first and last. */
export interface BlockView {
  readonly id: string
  /** Counts every event, attachments included. */
  readonly version: number
  readonly value: string
  readonly settings: BlockSettings
  readonly deleted: boolean
  readonly createdAt: Date
  readonly createdBy: Actor
  readonly updatedAt: Date
  readonly updatedBy: Actor
}

export interface BlockFilter {
  readonly label?: string
  /** A part of the text, in any case. */
  readonly labelSearch?: string
  readonly descriptionSearch?: string
  readonly valueSearch?: string
  readonly tags?: readonly string[]
  /** All of `tags` instead of any. */
  readonly matchAllTags?: boolean
  /** Templates are listed alone or not at all. */
  readonly templates?: boolean
  readonly templateName?: string
  readonly projectId?: string
  readonly showHidden?: boolean
  /** Number of agents the block is attached to. */
  readonly agentsMoreThan?: number
  readonly agentsFewerThan?: number
  readonly agentsExactly?: readonly number[]
}

/** The block with this id, deleted or not; null when there never was one. */
export async function blockById(
  reads: Reads,
  tenantId: string,
  blockId: string,
): Promise<BlockView | null> {
  const rows = await blockRows(reads.db, tenantId).where('b.block_id', '=', blockId).execute()
  const [block] = await blockViews(reads, tenantId, rows)
  return block ?? null
}

/** Blocks in the order of their creation. */
export async function listBlocks(
  reads: Reads,
  tenantId: string,
  filter: BlockFilter,
  page: PageRequest,
): Promise<Listed<BlockView>> {
  const longOnes = await longTextsContaining(reads, tenantId, filter.valueSearch)
  return readPage(
    page,
    [sql.ref('b.created_at'), sql.ref('b.block_id')],
    (cursor) => sortKey(reads.db, tenantId, cursor),
    async ({ within, orderBy, limit }) => {
      const rows = await blockRows(reads.db, tenantId)
        .where('b.deleted', '=', false)
        .where(matching(filter, longOnes))
        .where(within)
        .orderBy(orderBy)
        .limit(limit)
        .execute()
      return blockViews(reads, tenantId, rows)
    },
  )
}

/** All blocks that are not deleted, hidden ones and templates too. */
export async function countBlocks({ db }: Reads, tenantId: string): Promise<number> {
  const { count } = await db
    .selectFrom('blocks')
    .select((eb) => eb.fn.countAll<string>().as('count'))
    .where('tenant_id', '=', tenantId)
    .where('deleted', '=', false)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Of a deleted block too: a listing must not break off because its last item went away. */
async function sortKey(
  db: Database,
  tenantId: string,
  blockId: string,
): Promise<SortKey | undefined> {
  const row = await db
    .selectFrom('blocks')
    .select('created_at')
    .where('tenant_id', '=', tenantId)
    .where('block_id', '=', blockId)
    .executeTakeFirst()
  return row && [row.created_at, blockId]
}

function matching(filter: BlockFilter, longOnes: readonly string[]) {
  const conditions = [sql<SqlBool>`b.is_template = ${filter.templates ?? false}`]
  const { tags, agentsExactly } = filter
  if (!filter.showHidden) conditions.push(sql`b.hidden is not true`)
  if (filter.label !== undefined) conditions.push(sql`b.label = ${filter.label}`)
  if (filter.labelSearch !== undefined) {
    conditions.push(contains('b.label', filter.labelSearch))
  }
  if (filter.descriptionSearch !== undefined) {
    conditions.push(contains('b.description', filter.descriptionSearch))
  }
  if (filter.valueSearch !== undefined) {
    const inline = contains('s.value', filter.valueSearch)
    conditions.push(sql`(${inline} or b.block_id = any(${[...longOnes]}::text[]))`)
  }
  if (tags && tags.length > 0) {
    const operator = filter.matchAllTags ? sql`@>` : sql`&&`
    conditions.push(sql`b.tags ${operator} ${tags}::text[]`)
  }
  if (filter.templateName !== undefined) {
    conditions.push(sql`b.template_name = ${filter.templateName}`)
  }
  if (filter.projectId !== undefined) conditions.push(sql`b.project_id = ${filter.projectId}`)
  if (filter.agentsMoreThan !== undefined) {
    conditions.push(sql`${AGENT_COUNT} > ${filter.agentsMoreThan}`)
  }
  if (filter.agentsFewerThan !== undefined) {
    conditions.push(sql`${AGENT_COUNT} < ${filter.agentsFewerThan}`)
  }
  if (agentsExactly && agentsExactly.length > 0) {
    conditions.push(sql`${AGENT_COUNT} = any(${agentsExactly}::bigint[])`)
  }
  return sql<SqlBool>`(${sql.join(conditions, sql` and `)})`
}

/** Blocks whose text is too long to stand in the head, and contains the search: read in one batch. */
async function longTextsContaining(
  { db, pool }: Reads,
  tenantId: string,
  search: string | undefined,
): Promise<string[]> {
  if (search === undefined) return []
  const heads = await db
    .selectFrom('streams')
    .select(['stream_id', 'value', 'version'])
    .where('tenant_id', '=', tenantId)
    .where('kind', '=', 'block')
    .where('value', 'is', null)
    .execute()
  const wanted = search.toLowerCase()
  const texts = await headTexts(pool, tenantId, heads)
  return [...texts].filter(([, text]) => text.toLowerCase().includes(wanted)).map(([id]) => id)
}

/** `strpos`, not `ilike`: `%` and `_` in a search stand for themselves. */
export function contains(column: string, search: string): RawBuilder<SqlBool> {
  return sql`strpos(lower(${sql.ref(column)}), lower(${search})) > 0`
}

const AGENT_COUNT = sql`(select count(*) from attachments a
  where a.tenant_id = b.tenant_id and a.block_id = b.block_id)`

/** Settings, head and newest event of blocks, in one statement: text and version belong together. */
function blockRows(db: Database, tenantId: string) {
  return db
    .selectFrom('blocks as b')
    .innerJoinLateral(streamHead(tenantId, 'b.block_id'), (join) => join.onTrue())
    .where('b.tenant_id', '=', tenantId)
    .selectAll('b')
    .select(['s.stream_id', 's.version', 's.value', 's.actor', 's.recorded_at'])
}

export type BlockQueryRow = Awaited<
  ReturnType<ReturnType<typeof blockRows>['executeTakeFirstOrThrow']>
>

/** The blocks of rows, in their order. Texts that do not stand in the head are read in one batch. */
export async function blockViews(
  reads: Reads,
  tenantId: string,
  rows: readonly BlockQueryRow[],
): Promise<BlockView[]> {
  const texts = await headTexts(reads.pool, tenantId, rows)
  return rows.map((row) => blockView(row, texts.get(row.block_id) ?? ''))
}

function blockView(row: BlockQueryRow, value: string): BlockView {
  return {
    id: row.block_id,
    version: row.version,
    value,
    settings: {
      label: row.label,
      description: row.description,
      limit: row.char_limit,
      read_only: row.read_only,
      tags: row.tags,
      metadata: row.metadata as Record<string, unknown>,
      hidden: row.hidden,
      is_template: row.is_template,
      preserve_on_migration: row.preserve_on_migration,
      project_id: row.project_id,
      template_name: row.template_name,
      policies: row.policies,
    },
    deleted: row.deleted,
    createdAt: row.created_at,
    createdBy: row.created_by,
    updatedAt: row.recorded_at,
    updatedBy: row.actor,
  }
}
