import type { Pool, PoolClient } from 'pg'
import { type AnyState, evolve, initialState } from '#domain/streams.js'
import { COLUMNS } from '#event-store/statement-rows.js'
import { readLog } from '#event-store/stream-reader.js'
import { KEYS, type Projected } from '#postgres/tables.js'
import { project } from './projection.js'

const TABLES = Object.keys(KEYS) as (keyof Projected)[]
/** Events of one read, and rows of one write. */
const BATCH = 2_000

/**
 * Empties the read models of a tenant and fills them again from the log alone: the same rows, byte for
 * byte, that the commits wrote. State of its own (mailboxes, tools, stored results) is left alone.
 *
 * @returns how many events were read.
 */
export async function rebuildReadModels(
  pool: Pool,
  tenantId: string,
  options: { onProgress?: (events: number) => void } = {},
): Promise<number> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await client.query(`lock table ${TABLES.join(', ')} in exclusive mode`)
    for (const table of TABLES)
      await client.query(`delete from ${table} where tenant_id = $1`, [tenantId])
    const { rows, events } = await collect(client, tenantId, options.onProgress)
    for (const table of TABLES) await write(client, table, [...(rows.get(table)?.values() ?? [])])
    await client.query('commit')
    return events
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  } finally {
    client.release()
  }
}

type Rows = Map<keyof Projected, Map<string, object>>

async function collect(
  client: PoolClient,
  tenantId: string,
  onProgress?: (events: number) => void,
): Promise<{ rows: Rows; events: number }> {
  const states = new Map<string, AnyState>()
  const rows: Rows = new Map(TABLES.map((table) => [table, new Map()]))
  const seqs = new Map<string, { next: number; of: Map<string, number> }>()
  let events = 0
  let cursor = '0'
  for (;;) {
    const page = await readLog(client, tenantId, cursor, BATCH)
    for (const event of page.events) {
      const before = states.get(event.streamId) ?? initialState(event.streamId)
      const after = evolve(before, event)
      states.set(event.streamId, after)
      for (const change of project(event, before, after)) {
        if ('mailbox' in change) {
          if (change.mailbox === 'queued') number(seqs, change.agentId, change.runId)
          continue
        }
        const table = rows.get(change.table) as Map<string, object>
        if ('remove' in change) table.delete(keyOf(change.table, change.remove))
        else table.set(keyOf(change.table, change.put), change.put)
      }
    }
    events += page.events.length
    onProgress?.(events)
    if (page.events.length < BATCH) break
    cursor = page.cursor
  }
  for (const row of rows.get('turns')?.values() ?? []) {
    const turn = row as { agent_id: string; run_id: string; seq?: number }
    turn.seq = seqs.get(turn.agent_id)?.of.get(turn.run_id) ?? 0
  }
  return { rows, events }
}

/** An agent's turns are numbered in the order in which they were queued. */
function number(
  seqs: Map<string, { next: number; of: Map<string, number> }>,
  agentId: string,
  runId: string,
): void {
  const seq = seqs.get(agentId) ?? { next: 1, of: new Map<string, number>() }
  seq.of.set(runId, seq.next++)
  seqs.set(agentId, seq)
}

function keyOf(table: keyof Projected, row: object): string {
  return JSON.stringify(KEYS[table].map((column) => (row as Record<string, unknown>)[column]))
}

async function write(
  client: PoolClient,
  table: keyof Projected,
  rows: readonly object[],
): Promise<void> {
  const own = table === 'turns' ? ['seq', ...COLUMNS[table]] : COLUMNS[table]
  const columns = ['tenant_id', ...KEYS[table], ...own].join(', ')
  for (let from = 0; from < rows.length; from += BATCH) {
    await client.query(
      `insert into ${table} (${columns}) select ${columns} from json_populate_recordset(null::${table}, $1::json)`,
      [JSON.stringify(rows.slice(from, from + BATCH))],
    )
  }
}
