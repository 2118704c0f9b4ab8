import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Pool } from 'pg'
import { createDatabase, createPool, type Database } from '#postgres/database.js'
import { ToolSchemas } from '#read-models/tool-schemas.js'
import {
  countTools,
  getTool,
  listTools,
  toolsByIds,
  toolsByNames,
  toolsOfAgent,
} from '#read-models/tools.js'
import { BUILTIN_TOOLS } from '#turns/builtin-tools.js'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js'
import {
  deleteTool,
  ensureBuiltinTools,
  insertTool,
  updateTool,
  upsertTool,
} from './tools-table.js'

const tenantId = 'default'
const actor = { kind: 'user', id: 'local' } as const
const schema = (name: string) => ({ name, parameters: { type: 'object', properties: {} } })
const desc = { limit: 100, order: 'desc', before: null, after: null } as const

let database: TestDatabase
let pool: Pool
let db: Database

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool(database.url, { max: 4 })
  db = createDatabase(pool)
})

afterAll(async () => {
  await db.destroy()
  await database.drop()
})

function insert(name: string, tenant = tenantId) {
  const tool = { name, json_schema: schema(name) }
  return insertTool(db, tenant, `tool-${randomUUID()}`, tool, actor)
}

describe('tools that come with the service', () => {
  it('are there once after any number of starts at the same time, under the same ids', async () => {
    await Promise.all(
      Array.from({ length: 8 }, () => ensureBuiltinTools(db, tenantId, BUILTIN_TOOLS)),
    )
    const names = BUILTIN_TOOLS.map((tool) => tool.name)
    const before = await toolsByNames(db, tenantId, names)
    expect(before.map((tool) => tool.name)).toEqual(names)
    await ensureBuiltinTools(db, tenantId, BUILTIN_TOOLS)
    expect(await toolsByNames(db, tenantId, names)).toEqual(before)
    expect(await countTools(db, tenantId, { builtIn: true })).toBe(names.length)
  })

  it('take the description of a newer version, and keep their id', async () => {
    const [old] = await toolsByNames(db, tenantId, ['web_search'])
    const newer = BUILTIN_TOOLS.map((tool) => ({ ...tool, description: 'newer' }))
    await ensureBuiltinTools(db, tenantId, newer)
    const [now] = await toolsByNames(db, tenantId, ['web_search'])
    expect(now).toMatchObject({ tool_id: old?.tool_id, description: 'newer' })
  })

  it('are out of reach of the writes of clients', async () => {
    const [tool] = await toolsByNames(db, tenantId, ['web_search'])
    const id = tool?.tool_id ?? ''
    expect(await updateTool(db, tenantId, id, { description: 'mine' }, actor)).toBeNull()
    expect(await deleteTool(db, tenantId, id)).toBe(false)
    const mine = { name: 'web_search', json_schema: schema('web_search') }
    expect(await upsertTool(db, tenantId, `tool-${randomUUID()}`, mine, actor)).toBeNull()
    expect(await insert('web_search')).toBeNull()
    expect(await getTool(db, tenantId, id)).toEqual(tool)
  })

  it('leave a tool of the same name that a client made earlier', async () => {
    const earlier = await insert('web_search', 'other')
    await ensureBuiltinTools(db, 'other', BUILTIN_TOOLS)
    expect(await toolsByNames(db, 'other', ['web_search'])).toEqual([earlier])
  })
})

describe("clients' tools", () => {
  it('are made, changed and deleted', async () => {
    const made = await insert('roll')
    expect(made).toMatchObject({ name: 'roll', tool_type: 'custom', return_char_limit: 50_000 })
    const id = made?.tool_id ?? ''
    expect(await insert('roll')).toBeNull()
    const changed = await updateTool(db, tenantId, id, { tags: ['dice'], metadata: {} }, actor)
    expect(changed).toMatchObject({ tool_id: id, tags: ['dice'], json_schema: schema('roll') })
    const other = { name: 'roll', json_schema: schema('roll'), description: 'again' }
    const upserted = await upsertTool(db, tenantId, `tool-${randomUUID()}`, other, actor)
    expect(upserted).toMatchObject({ tool_id: id, description: 'again', tags: ['dice'] })
    expect(await deleteTool(db, tenantId, id)).toBe(true)
    expect(await getTool(db, tenantId, id)).toBeNull()
  })

  it('come in the order asked for; what does not exist is left out', async () => {
    const a = await insert('tool_a')
    const b = await insert('tool_b')
    const names = await toolsByNames(db, tenantId, ['tool_b', 'nothing', 'tool_a'])
    expect(names).toEqual([b, a])
    const ids = [b?.tool_id ?? '', 'tool-none', a?.tool_id ?? '']
    expect(await toolsByIds(db, tenantId, ids)).toEqual([b, a])
    const told = await new ToolSchemas(pool).of(tenantId, ids)
    expect(told.map((one) => one.json_schema)).toEqual([schema('tool_b'), schema('tool_a')])
  })

  it('are listed by each filter, % and _ meaning themselves', async () => {
    const names = async (filter: Parameters<typeof listTools>[2]) => {
      const listed = await listTools(db, tenantId, filter, desc)
      return 'rows' in listed ? listed.rows.map((tool) => tool.name).sort() : listed
    }
    expect(await names({ builtIn: false })).toEqual(['tool_a', 'tool_b'])
    expect(await names({ search: 'TOOL_' })).toEqual(['tool_a', 'tool_b'])
    expect(await names({ search: 'tool%' })).toEqual([])
    expect(await names({ name: 'tool_a' })).toEqual(['tool_a'])
    expect(await names({ toolTypes: ['letta_builtin'] })).toEqual(['web_search'])
    expect(
      await names({ excludedTypes: ['custom', 'letta_sleeptime_core', 'letta_core'] }),
    ).toEqual([
      'core_memory_append',
      'core_memory_replace',
      'memory',
      'memory_apply_patch',
      'web_search',
    ])
  })

  it('are paged to the end, an agent seeing its own', async () => {
    const mine = await toolsByNames(db, tenantId, ['tool_a', 'tool_b', 'web_search'])
    const ids = mine.map((tool) => tool.tool_id)
    const seen: string[] = []
    for (;;) {
      const after = seen.at(-1) ?? null
      const listed = await toolsOfAgent(db, tenantId, ids, { ...desc, limit: 1, after })
      if (!('rows' in listed) || listed.rows.length === 0) break
      seen.push(...listed.rows.map((tool) => tool.tool_id))
    }
    expect(seen.sort()).toEqual(ids.sort())
    const unknown = `tool-${randomUUID()}`
    expect(await listTools(db, tenantId, {}, { ...desc, after: unknown })).toEqual({
      unknownCursor: unknown,
    })
  })
})
