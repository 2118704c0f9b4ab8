import { type Insertable, sql } from 'kysely'
import type { Actor } from '#domain/actor.js'
import type { Database } from '#postgres/database.js'
import type { Tables } from '#postgres/tables.js'
import { derivedId } from '#read-models/derived-id.js'
import { CUSTOM_TOOL, type ToolRow } from '#read-models/tools.js'

/** A tool that comes with the service. */
export interface BuiltinTool {
  readonly name: string
  readonly tool_type: string
  readonly description: string
  readonly json_schema: {
    readonly name: string
    readonly description: string
    /** JSON Schema of the arguments object. */
    readonly parameters: Readonly<Record<string, unknown>>
  }
  /** Calls of one step may run at the same time. */
  readonly parallel: boolean
  /** A successful call ends the turn of an agent with base tool rules. */
  readonly terminal: boolean
}

/** What a client says of a tool. */
export type ToolFields = Pick<
  ToolRow,
  | 'description'
  | 'source_type'
  | 'source_code'
  | 'json_schema'
  | 'args_json_schema'
  | 'tags'
  | 'return_char_limit'
  | 'pip_requirements'
  | 'npm_requirements'
  | 'default_requires_approval'
  | 'enable_parallel_execution'
  | 'metadata'
  | 'project_id'
>
export type NewTool = Pick<ToolRow, 'name'> & Partial<ToolFields> & Pick<ToolRow, 'json_schema'>

const SERVICE: Actor = { kind: 'system', id: 'palimpsest' }

/**
 * Tools are a plain table, not event-sourced. What comes with the service is out of reach of the
 * writes of clients. Returns null when the name or the id is taken.
 */
export async function insertTool(
  db: Database,
  tenantId: string,
  toolId: string,
  tool: NewTool,
  actor: Actor,
): Promise<ToolRow | null> {
  const row = await db
    .insertInto('tools')
    .values(newRow(tenantId, toolId, tool, actor))
    .onConflict((conflict) => conflict.doNothing())
    .returningAll()
    .executeTakeFirst()
  return row ?? null
}

/** Makes the tool or changes the one of that name. Returns null when that one comes with the service. */
export async function upsertTool(
  db: Database,
  tenantId: string,
  toolId: string,
  tool: NewTool,
  actor: Actor,
): Promise<ToolRow | null> {
  const row = await db
    .insertInto('tools')
    .values(newRow(tenantId, toolId, tool, actor))
    .onConflict((conflict) =>
      conflict
        .columns(['tenant_id', 'name'])
        .doUpdateSet(changes(tool, actor))
        .where('tools.tool_type', '=', CUSTOM_TOOL),
    )
    .returningAll()
    .executeTakeFirst()
  return row ?? null
}

/** Changes what is given. Returns null when no client made a tool with this id. */
export async function updateTool(
  db: Database,
  tenantId: string,
  toolId: string,
  fields: Partial<ToolFields>,
  actor: Actor,
): Promise<ToolRow | null> {
  const row = await db
    .updateTable('tools')
    .set(changes(fields, actor))
    .where('tenant_id', '=', tenantId)
    .where('tool_id', '=', toolId)
    .where('tool_type', '=', CUSTOM_TOOL)
    .returningAll()
    .executeTakeFirst()
  return row ?? null
}

/** False when no client made a tool with this id. */
export async function deleteTool(db: Database, tenantId: string, toolId: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('tools')
    .where('tenant_id', '=', tenantId)
    .where('tool_id', '=', toolId)
    .where('tool_type', '=', CUSTOM_TOOL)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/**
 * Brings the table up to date with what this version of the service has: every start does so, before
 * the first call. Ids follow from the names. A client's tool that already has one of the names stays.
 */
export async function ensureBuiltinTools(
  db: Database,
  tenantId: string,
  catalogue: readonly BuiltinTool[],
): Promise<void> {
  const rows = catalogue.map((tool) => ({
    ...newRow(
      tenantId,
      derivedId('tool', tenantId, 'builtin', tool.name),
      {
        name: tool.name,
        description: tool.description,
        json_schema: tool.json_schema,
        enable_parallel_execution: tool.parallel,
      },
      SERVICE,
    ),
    tool_type: tool.tool_type,
  }))
  await db.transaction().execute(async (transaction) => {
    // One start at a time: an upsert settles conflicts on one key only, and these rows have two.
    await sql`select pg_advisory_xact_lock(hashtext('palimpsest.tools'))`.execute(transaction)
    await upsertBuiltins(transaction, rows)
  })
}

async function upsertBuiltins(
  db: Database,
  rows: readonly Insertable<Tables['tools']>[],
): Promise<void> {
  await db
    .insertInto('tools')
    .values(rows)
    .onConflict((conflict) =>
      conflict
        .columns(['tenant_id', 'name'])
        .doUpdateSet((eb) => ({
          tool_type: eb.ref('excluded.tool_type'),
          description: eb.ref('excluded.description'),
          json_schema: eb.ref('excluded.json_schema'),
          enable_parallel_execution: eb.ref('excluded.enable_parallel_execution'),
          updated_at: sql<string>`now()`,
        }))
        .where('tools.tool_type', '<>', CUSTOM_TOOL)
        .where(
          sql<boolean>`(tools.tool_type, tools.description, tools.json_schema::text, tools.enable_parallel_execution)
            is distinct from
            (excluded.tool_type, excluded.description, excluded.json_schema::text, excluded.enable_parallel_execution)`,
        ),
    )
    .execute()
}

function newRow(
  tenantId: string,
  toolId: string,
  tool: NewTool,
  actor: Actor,
): Insertable<Tables['tools']> {
  return {
    tenant_id: tenantId,
    tool_id: toolId,
    name: tool.name,
    tool_type: CUSTOM_TOOL,
    created_by: JSON.stringify(actor),
    ...changes(tool, actor),
    // What is left out has its default in the table.
  } as Insertable<Tables['tools']>
}

const JSON_COLUMNS: ReadonlySet<string> = new Set([
  'json_schema',
  'args_json_schema',
  'pip_requirements',
  'npm_requirements',
  'metadata',
])

/** Column values of the given fields; those that are undefined keep what they have. */
function changes(fields: Partial<ToolFields>, actor: Actor) {
  const columns = Object.entries(fields)
    .filter(([name, value]) => name !== 'name' && value !== undefined)
    .map(([name, value]) => [name, toColumn(name, value)])
  return {
    ...(Object.fromEntries(columns) as Partial<Insertable<Tables['tools']>>),
    updated_by: JSON.stringify(actor),
    updated_at: sql<string>`now()`,
  }
}

function toColumn(name: string, value: unknown): unknown {
  return JSON_COLUMNS.has(name) && value !== null ? JSON.stringify(value) : value
}
