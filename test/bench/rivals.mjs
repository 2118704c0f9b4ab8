// What others do with one row of a table, 32 in flight: all of them on one block of 2 KB.
import { append } from './append.mjs'
import { EDIT, line } from './blocks.mjs'
import { ownerPool } from './raw-insert.mjs'
import { words } from './words.mjs'

const BODY = words(1_900)
const EVENT = words(EDIT)

export function rivals(bench) {
  return bench.compare({
    inFlight: 32,
    arms: {
      hot: append({ hot: true, withIds: false }),
      'row lock': rowLock,
      'last write wins': lastWriteWins,
      'compare and set': compareAndSet,
    },
  })
}

async function blockTable(url) {
  const pool = ownerPool(url)
  await pool.query(`
    create table if not exists block_rows (id int primary key, version int not null, value text not null);
    create table if not exists block_log (id bigserial primary key, block int, v text);
    truncate block_rows`)
  await pool.query('insert into block_rows values (0, 0, $1)', [value(0)])
  return pool
}

function value(version) {
  return line(version) + BODY
}

/** The row is locked, read, changed and written, with its event, in one transaction. */
async function rowLock({ url }) {
  const pool = await blockTable(url)
  return {
    async operation() {
      const client = await pool.connect()
      try {
        await client.query('begin')
        const { rows } = await client.query({
          name: 'lock',
          text: 'select version, value from block_rows where id = 0 for update',
        })
        await client.query({
          name: 'change',
          text: 'update block_rows set version = $1, value = $2 where id = 0',
          values: [rows[0].version + 1, value(rows[0].version)],
        })
        await client.query({
          name: 'log',
          text: 'insert into block_log (block, v) values (0, $1)',
          values: [EVENT],
        })
        await client.query('commit')
      } finally {
        client.release()
      }
    },
    close: () => pool.end(),
  }
}

/** The whole value, written over whatever stands there; edits are lost. */
async function lastWriteWins({ url }) {
  const pool = await blockTable(url)
  return {
    operation: (_, n) =>
      pool.query({
        name: 'write',
        text: 'update block_rows set value = $1 where id = 0',
        values: [value(n)],
      }),
    close: () => pool.end(),
  }
}

/** Compare-and-set with retry by the caller. */
async function compareAndSet({ url }) {
  const pool = await blockTable(url)
  let retries = 0
  return {
    async operation() {
      for (;;) {
        const { rows } = await pool.query({
          name: 'read',
          text: 'select version, value from block_rows where id = 0',
        })
        const { version } = rows[0]
        const { rowCount } = await pool.query({
          name: 'set',
          text: `with u as (update block_rows set version = $1 + 1, value = $2
                             where id = 0 and version = $1 returning id)
                 insert into block_log (block, v) select id, $3 from u`,
          values: [version, value(version), EVENT],
        })
        if (rowCount === 1) return
        retries += 1
      }
    },
    figures: () => ({ retries }),
    close: () => pool.end(),
  }
}
