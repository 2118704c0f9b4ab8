import { type RawBuilder, type SqlBool, sql } from 'kysely'

/** Where in a listing a page lies. Cursors are ids, exclusive, and relative to `order`. */
export interface PageRequest {
  readonly limit: number
  readonly order: 'asc' | 'desc'
  readonly before: string | null
  /** Further along the listing. */
  readonly after: string | null
}

/** A page in listing order, or the cursor that names nothing here: it must not restart the listing. */
export type Listed<Row> = { readonly rows: Row[] } | { readonly unknownCursor: string }

/** The values of the sort columns for one row. */
export type SortKey = readonly unknown[]

/** What `readPage` puts into a query. */
export interface PageWindow {
  readonly within: RawBuilder<SqlBool>
  readonly orderBy: RawBuilder<unknown>
  readonly limit: number
}

/**
 * One page by keyset. With `before` it holds the rows nearest to that cursor, still in listing order:
 * only then does paging backwards reach everything.
 *
 * @param columns the sort key, unique over the list.
 * @param keyOf the sort key of the row a cursor names, undefined when the list has no such row.
 */
export async function readPage<Row>(
  page: PageRequest,
  columns: readonly RawBuilder<unknown>[],
  keyOf: (cursor: string) => Promise<SortKey | undefined>,
  fetch: (window: PageWindow) => Promise<Row[]>,
): Promise<Listed<Row>> {
  const ascending = page.order === 'asc'
  const key = sql`(${sql.join(columns)})`
  const bounds: RawBuilder<SqlBool>[] = []
  for (const [cursor, isLower] of [
    [page.after, ascending],
    [page.before, !ascending],
  ] as const) {
    if (cursor === null) continue
    const values = await keyOf(cursor)
    if (!values) return { unknownCursor: cursor }
    bounds.push(sql`${key} ${sql.raw(isLower ? '>' : '<')} (${sql.join([...values])})`)
  }
  const backwards = page.before !== null
  const direction = sql.raw(ascending === backwards ? 'desc' : 'asc')
  const rows = await fetch({
    within: bounds.length > 0 ? sql`${sql.join(bounds, sql` and `)}` : sql`true`,
    orderBy: sql.join(columns.map((column) => sql`${column} ${direction}`)),
    limit: page.limit,
  })
  return { rows: backwards ? rows.reverse() : rows }
}
