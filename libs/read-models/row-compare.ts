import { COLUMNS } from '#event-store/statement-rows.js'
import type { Queryable } from '#event-store/stream-reader.js'
import { KEYS } from '#postgres/tables.js'
import { keyOf, type Table } from './log-fold.js'

/** A row that is not what the events give. Null: there is none, or there should be none. */
export interface RowDifference {
  readonly table: Table
  /** Key columns' values as a JSON array. */
  readonly key: string
  /** As Postgres writes a row. */
  readonly is: string | null
  readonly shouldBe: string | null
}

/** Rows of one statement. */
const BATCH = 2_000

/** Holds a table of a tenant against the rows that should stand in it, without changing anything. */
export async function* compareTable(
  db: Queryable,
  tenantId: string,
  table: Table,
  wanted: ReadonlyMap<string, object>,
): AsyncGenerator<RowDifference, void, undefined> {
  yield* compareRows(db, tenantId, table, wanted)
  yield* surplusRows(db, tenantId, table, wanted)
}

/** Rows that are missing or other than they should be; what else the table holds is not looked at. */
export async function* compareRows(
  db: Queryable,
  tenantId: string,
  table: Table,
  wanted: ReadonlyMap<string, object>,
): AsyncGenerator<RowDifference, void, undefined> {
  const same = KEYS[table].map((column) => `t.${column} = w.${column}`).join(' and ')
  const key = KEYS[table].map((column) => `to_json(w.${column})`).join(', ')
  for (const rows of batches([...wanted.values()])) {
    const found = await db.query<{ key: unknown[]; is: string | null; should_be: string }>(
      `select json_build_array(${key}) as key, t::text as is, w::text as should_be
         from json_populate_recordset(null::${table}, $2::json) w
         left join ${table} t on t.tenant_id = $1 and ${same}
        where t::text is distinct from w::text`,
      [tenantId, JSON.stringify(rows)],
    )
    for (const row of found.rows) {
      yield { table, key: JSON.stringify(row.key), is: row.is, shouldBe: row.should_be }
    }
  }
}

/** Rows that no event accounts for. */
async function* surplusRows(
  db: Queryable,
  tenantId: string,
  table: Table,
  wanted: ReadonlyMap<string, object>,
): AsyncGenerator<RowDifference, void, undefined> {
  const columns = KEYS[table].join(', ')
  let after: unknown[] | null = null
  for (;;) {
    const beyond: string = after
      ? `and (${columns}) > (${after.map((_, i) => `$${i + 3}`).join(', ')})`
      : ''
    const { rows }: { rows: Record<string, unknown>[] } = await db.query(
      `select ${columns}, t::text as "row" from ${table} t where tenant_id = $1 ${beyond}
        order by ${columns} limit $2`,
      [tenantId, BATCH, ...(after ?? [])],
    )
    for (const row of rows) {
      const key = keyOf(table, row)
      if (!wanted.has(key)) yield { table, key, is: row.row as string, shouldBe: null }
    }
    const last: Record<string, unknown> | undefined = rows.at(-1)
    if (!last || rows.length < BATCH) return
    after = KEYS[table].map((column) => last[column])
  }
}

/** Puts rows of a table right: those named are taken out, and put in again as far as they are wanted. */
export async function replaceRows(
  db: Queryable,
  tenantId: string,
  table: Table,
  keys: readonly string[],
  wanted: ReadonlyMap<string, object>,
): Promise<void> {
  const same = KEYS[table].map((column) => `t.${column} = k.${column}`).join(' and ')
  for (const batch of batches(keys)) {
    const named = batch.map((key) => {
      const values = JSON.parse(key) as unknown[]
      return Object.fromEntries(KEYS[table].map((column, i) => [column, values[i]]))
    })
    await db.query(
      `delete from ${table} t using json_populate_recordset(null::${table}, $2::json) k
        where t.tenant_id = $1 and ${same}`,
      [tenantId, JSON.stringify(named)],
    )
  }
  const own = table === 'turns' ? ['seq', ...COLUMNS[table]] : COLUMNS[table]
  const columns = ['tenant_id', ...KEYS[table], ...own].join(', ')
  const rows = keys.map((key) => wanted.get(key)).filter((row) => row !== undefined)
  for (const batch of batches(rows)) {
    await db.query(
      `insert into ${table} (${columns})
       select ${columns} from json_populate_recordset(null::${table}, $1::json)`,
      [JSON.stringify(batch)],
    )
  }
}

function* batches<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < all.length; from += BATCH) yield all.slice(from, from + BATCH)
}
