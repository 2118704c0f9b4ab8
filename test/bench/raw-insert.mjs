// The ceiling: one row, one statement, one commit.
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { EDIT } from './blocks.mjs'
import { words } from './words.mjs'

/** As many as the writers that need one for each operation. */
export const CONNECTIONS = 32
const text = words(EDIT)

/** Connections of the owner, for whatever is not the product. */
export function ownerPool(url) {
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS })
  pool.on('error', () => {})
  return pool
}

export async function rawInsert({ url }) {
  const pool = ownerPool(url)
  await pool.query('create table if not exists raw (id bigserial primary key, k uuid, v text)')
  return {
    operation: () =>
      pool.query({
        name: 'raw',
        text: 'insert into raw (k, v) values ($1, $2)',
        values: [randomUUID(), text],
      }),
    close: () => pool.end(),
  }
}
