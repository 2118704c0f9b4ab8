// The same work by @event-driven-io/emmett-postgresql, with a projection in the same transaction that
// holds the block's text, as our head does. Its callers try again when another was faster, as its
// documentation says; here at once, which is the fastest. Two ways: with the version they have seen as the
// expected one, and without (it then reads the version itself, and still fails beside another).
import { randomUUID } from 'node:crypto'
import {
  getPostgreSQLEventStore,
  postgreSQLRawSQLProjection,
} from '@event-driven-io/emmett-postgresql'
import pg from 'pg'
import { append } from './append.mjs'
import { EDIT, line } from './blocks.mjs'
import { ownerPool } from './raw-insert.mjs'
import { words } from './words.mjs'

const IN_FLIGHT = 32
const LENGTH = 2_000
/** Of its ConcurrencyError. */
const CONFLICT = 412
const CREATED = words(LENGTH)
const TEXT = words(EDIT)

export async function emmett(bench) {
  await bench.compare({
    inFlight: IN_FLIGHT,
    arms: {
      hot: append({ hot: true, withIds: false }),
      'Emmett, hot': emmettAppend({ hot: true, expecting: false }),
      'Emmett, hot, expected version': emmettAppend({ hot: true, expecting: true }),
    },
    more: (of) => {
      const rival = Math.max(
        of['Emmett, hot'].perSecond,
        of['Emmett, hot, expected version'].perSecond,
      )
      return { hot: { timesEmmett: of.hot.perSecond / rival } }
    },
  })
  await bench.compare({
    inFlight: IN_FLIGHT,
    arms: {
      distinct: append({ hot: false, withIds: false }),
      'Emmett, distinct': emmettAppend({ hot: false, expecting: true }),
    },
    more: (of) => ({
      distinct: { timesEmmett: of.distinct.perSecond / of['Emmett, distinct'].perSecond },
    }),
  })
}

/** The text of each block, changed in place: an edit replaces its first line. */
const blockTexts = postgreSQLRawSQLProjection({
  name: 'block_texts',
  canHandle: ['TextReplaced'],
  init: () =>
    'create table if not exists block_texts (id text primary key, edits int not null, value text not null)',
  evolve: ({ data }) =>
    `update block_texts
        set edits = edits + 1, value = ${pg.escapeLiteral(data.text)} || substr(value, ${EDIT + 1})
      where id = ${pg.escapeLiteral(data.id)}`,
})

function emmettAppend({ hot, expecting }) {
  return async ({ url, inFlight }) => {
    const pool = ownerPool(url)
    const store = getPostgreSQLEventStore(url, {
      projections: [{ type: 'inline', projection: blockTexts }],
      connectionOptions: { pool },
    })
    await store.schema.migrate()
    const blocks = Array.from({ length: hot ? 1 : inFlight }, () => ({
      id: `block-${randomUUID()}`,
      version: 0n,
    }))
    for (const block of blocks) {
      await pool.query('insert into block_texts values ($1, 0, $2)', [block.id, CREATED])
      await store.appendToStream(block.id, [{ type: 'BlockCreated', data: { id: block.id } }])
      block.version = 1n
    }
    let retries = 0
    return {
      async operation(worker, n) {
        const block = blocks[hot ? 0 : worker]
        const event = { type: 'TextReplaced', data: { id: block.id, text: line(n), old: TEXT } }
        for (;;) {
          const expected = expecting ? { expectedStreamVersion: block.version } : undefined
          try {
            const { nextExpectedStreamVersion } = await store.appendToStream(
              block.id,
              [event],
              expected,
            )
            advance(block, nextExpectedStreamVersion)
            return
          } catch (error) {
            if (error.errorCode !== CONFLICT) throw error
            retries += 1
            if (expecting) await readVersion(store, block)
          }
        }
      },
      figures: () => ({ retries }),
      async close() {
        await store.close()
        const { rows } = await pool.query(
          'select sum(edits)::int as edits from block_texts where id = any($1)',
          [blocks.map(({ id }) => id)],
        )
        await pool.end()
        const events = blocks.reduce((sum, { version }) => sum + Number(version) - 1, 0)
        if (rows[0].edits !== events)
          throw new Error(`${events} events, ${rows[0].edits} projected`)
      },
    }
  }
}

/** A caller that was too late reads what it has not seen: only the tail, though many would fold it all. */
async function readVersion(store, block) {
  const { currentStreamVersion } = await store.readStream(block.id, { from: block.version })
  advance(block, currentStreamVersion)
}

function advance(block, version) {
  if (version > block.version) block.version = version
}
