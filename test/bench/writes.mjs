// What can be written, and by whom: each maker opens its tables and gives one operation.
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { ChangeBlock, ChangeBlockHandler } from '../../dist/libs/commands/change-block.js'
import { decideBlock } from '../../dist/libs/domain/block.js'
import { WRITER_SETTINGS, Writer } from '../../dist/libs/event-store/writer.js'
import { createPool } from '../../dist/libs/postgres/database.js'
import { project } from '../../dist/libs/read-models/projection.js'

const CONNECTIONS = 32
const TEXT = 'x'.repeat(100)
const actor = { kind: 'user', id: 'bench' }
const by = { tenantId: 'default', actor }

function ownerPool(url) {
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS })
  pool.on('error', () => {})
  return pool
}

/** The ceiling: one row, one statement, one commit. */
export async function rawInsert(url) {
  const pool = ownerPool(url)
  await pool.query('create table if not exists raw (id bigserial primary key, k uuid, v text)')
  return {
    operation: () =>
      pool.query({
        name: 'raw',
        text: 'insert into raw (k, v) values ($1, $2)',
        values: [randomUUID(), TEXT],
      }),
    close: () => pool.end(),
  }
}

async function writerOn(url) {
  const writes = createPool(url, { max: 2, settings: WRITER_SETTINGS })
  const reads = createPool(url, { max: 8 })
  const writer = new Writer({ writes, reads, project })
  const close = async () => {
    await writer.close()
    await Promise.all([writes.end(), reads.end()])
  }
  return { writer, close }
}

async function newBlock(writer, value) {
  const blockId = `block-${randomUUID()}`
  const create = { type: 'CreateBlock', value, settings: { label: 'bench', limit: 1_000_000_000 } }
  const outcome = await new ChangeBlockHandler(writer).execute(new ChangeBlock(blockId, create, by))
  if (!outcome.ok) throw new Error(outcome.rejection.detail)
  return blockId
}

/** A replace that keeps the block at its size, so that a run measures writing and not growing. */
function turnover(blockId, withIds) {
  return {
    tenantId: 'default',
    streams: [blockId],
    actor,
    ...(withIds ? { command: { id: `bench-${randomUUID()}`, fingerprint: FINGERPRINT } } : {}),
    decide: (states) => {
      const block = states.block(blockId)
      const command = {
        type: 'ReplaceText',
        old: block.value.slice(0, TEXT.length),
        new: String(block.version).padStart(TEXT.length, '0'),
        all: false,
        numbered: false,
      }
      const decided = decideBlock(block, command, { actor, baseVersion: null })
      if (!decided.ok) return { rejection: decided.rejection }
      return { appends: decided.value.map((event) => ({ streamId: blockId, event })), result: null }
    },
  }
}
const FINGERPRINT = Buffer.from('bench')
const BODY = 'b'.repeat(1900)

/** 2 KB of text of which every version changes the first hundred characters. */
function value(text, version) {
  return `${String(version).padStart(text.length, '0')}${BODY}`
}

/** Ours, through the real writer: full events, chain, results. */
export function append({ hot, withIds }) {
  return async (url, inFlight) => {
    const { writer, close } = await writerOn(url)
    const blocks = await Promise.all(
      Array.from({ length: hot ? 1 : inFlight }, () => newBlock(writer, value(TEXT, 0))),
    )
    return {
      async operation(worker) {
        const verdict = await writer.submit(turnover(blocks[hot ? 0 : worker], withIds))
        if (verdict.status !== 'ok') throw new Error(verdict.status)
      },
      close,
    }
  }
}

async function blockTable(url, rows) {
  const pool = ownerPool(url)
  await pool.query(`create table if not exists block_rows (id int primary key, version int not null, value text not null);
    create table if not exists block_log (id bigserial primary key, block int, v text)`)
  await pool.query('truncate block_rows')
  await pool.query('insert into block_rows select n, 0, $1 from generate_series(0, $2) n', [
    value(TEXT, 0),
    rows,
  ])
  return pool
}

/** The row is locked, read, changed and written, with its event, in one transaction. */
export async function rowLock(url) {
  const pool = await blockTable(url, 1)
  return {
    async operation() {
      const client = await pool.connect()
      try {
        await client.query('begin')
        const { rows } = await client.query({
          name: 'rl',
          text: 'select version, value from block_rows where id = 0 for update',
        })
        await client.query({
          name: 'ru',
          text: 'update block_rows set version = $1, value = $2 where id = 0',
          values: [rows[0].version + 1, value(TEXT, rows[0].version)],
        })
        await client.query({
          name: 'ri',
          text: 'insert into block_log (block, v) values (0, $1)',
          values: [TEXT],
        })
        await client.query('commit')
      } finally {
        client.release()
      }
    },
    close: () => pool.end(),
  }
}

/** The whole value from a copy read earlier, as servers of shared memory do: fast, and loses edits. */
export async function lastWriteWins(url) {
  const pool = await blockTable(url, 1)
  return {
    operation: (_, n) =>
      pool.query({
        name: 'lww',
        text: 'update block_rows set value = $1 where id = 0',
        values: [value(TEXT, n)],
      }),
    close: () => pool.end(),
  }
}

/** Compare-and-set with retry by the caller. */
export async function compareAndSet(url) {
  const pool = await blockTable(url, 1)
  let retries = 0
  return {
    async operation() {
      for (;;) {
        const { rows } = await pool.query({
          name: 'cr',
          text: 'select version from block_rows where id = 0',
        })
        const { version } = rows[0]
        const { rowCount } = await pool.query({
          name: 'cw',
          text: `with u as (update block_rows set version = $1 + 1, value = $2 where id = 0 and version = $1 returning id)
                 insert into block_log (block, v) select id, $3 from u`,
          values: [version, value(TEXT, version), TEXT],
        })
        if (rowCount === 1) return
        retries += 1
      }
    },
    retries: () => retries,
    close: () => pool.end(),
  }
}

/** 100 bytes more on a long block: ours, and a whole-value update of the same size. */
export function appendToLong(bytes) {
  return async (url) => {
    const { writer, close } = await writerOn(url)
    const blockId = await newBlock(writer, 'y'.repeat(bytes))
    const insertion = {
      tenantId: 'default',
      streams: [blockId],
      actor,
      decide: (states) => {
        const command = { type: 'InsertText', text: TEXT, place: { at: 'end' }, numbered: false }
        const decided = decideBlock(states.block(blockId), command, { actor, baseVersion: null })
        if (!decided.ok) return { rejection: decided.rejection }
        return {
          appends: decided.value.map((event) => ({ streamId: blockId, event })),
          result: null,
        }
      },
    }
    return {
      async operation() {
        const verdict = await writer.submit(insertion)
        if (verdict.status !== 'ok') throw new Error(verdict.status)
      },
      close,
    }
  }
}

export function rewriteLong(bytes) {
  return async (url) => {
    const pool = await blockTable(url, 1)
    let text = 'y'.repeat(bytes)
    await pool.query('update block_rows set value = $1 where id = 0', [text])
    return {
      operation() {
        text = `${text}\n${TEXT}`
        return pool.query({
          name: 'whole',
          text: 'update block_rows set value = $1, version = version + 1 where id = 0',
          values: [text],
        })
      },
      close: () => pool.end(),
    }
  }
}
