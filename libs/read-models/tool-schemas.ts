import { GroupReads } from '#event-store/group-reads.js'
import type { Queryable } from '#event-store/stream-reader.js'
import type { ToolRow } from './tools.js'

/** What a model is told of a tool. */
export type ToolSchema = Pick<ToolRow, 'name' | 'description' | 'json_schema'>

/** Schemas of tools as they are now: each turn asks for its agent's, and those that begin together ask once. */
export class ToolSchemas {
  readonly #reads: GroupReads<ToolSchema | undefined>

  constructor(db: Queryable) {
    this.#reads = new GroupReads((tenantId, ids) => readSchemas(db, tenantId, ids))
  }

  /** In the order of the ids; those that do not exist are left out. */
  async of(tenantId: string, ids: readonly string[]): Promise<ToolSchema[]> {
    const found = await this.#reads.getAll(tenantId, ids)
    return ids.flatMap((id) => found.get(id) ?? [])
  }
}

async function readSchemas(
  db: Queryable,
  tenantId: string,
  ids: readonly string[],
): Promise<Map<string, ToolSchema | undefined>> {
  const { rows } = await db.query<ToolSchema & { tool_id: string }>({
    name: 'tool-schemas',
    text: `select t.tool_id, t.name, t.description, t.json_schema
             from unnest($2::text[]) i(tool_id)
             join tools t on t.tenant_id = $1 and t.tool_id = i.tool_id`,
    values: [tenantId, ids],
  })
  return new Map(rows.map(({ tool_id, ...schema }) => [tool_id, schema]))
}
