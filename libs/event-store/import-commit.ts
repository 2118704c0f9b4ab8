import type { Pool, PoolClient } from 'pg'
import type { ImportBatch } from './import-fold.js'
import { ImportRefusal } from './import-refusal.js'
import { type Answer, groupStatement } from './statement.js'

const UNIQUE_VIOLATION = '23505'

/**
 * Writes a batch in one transaction, by the statement of the writer: so each leaves a valid log, heads,
 * rows and mailboxes included, and positions are drawn under the locks of the heads, in the order of the
 * export. The running writers' cached heads are stale afterwards; their compare-and-set finds that out.
 *
 * The agents' mailboxes are held, so that no worker takes up a turn whose later events are still to
 * come; whoever works on one is fenced. Their epochs rise to those the turns were run under: to go on
 * with one takes a newer claim.
 *
 * @throws ImportRefusal moved when a stream was written to since it was looked at.
 */
export async function commitBatch(
  pool: Pool,
  tenantId: string,
  { plan, epochs }: ImportBatch,
): Promise<void> {
  const client = await pool.connect()
  client.on('error', unheard)
  try {
    await client.query('begin')
    await lockHeads(client, tenantId, plan)
    const agents = [...new Set([...plan.mailboxes.keys(), ...epochs.keys()])].sort()
    await client.query(
      `select from mailboxes where tenant_id = $1 and agent_id = any($2)
        order by agent_id for no key update`,
      [tenantId, agents],
    )
    const { rows } = await client.query<Answer>(groupStatement(plan))
    if (!rows[0]?.ok) throw moved('a mailbox is not there')
    await client.query(
      `update mailboxes m set not_before = 'infinity', owner = null,
              epoch = greatest(m.epoch + (m.owner is not null)::int, h.epoch)
         from unnest($2::text[], $3::bigint[]) h(agent_id, epoch)
        where m.tenant_id = $1 and m.agent_id = h.agent_id`,
      [tenantId, agents, agents.map((id) => epochs.get(id) ?? 0)],
    )
    await client.query('commit')
    client.off('error', unheard)
    client.release()
  } catch (error) {
    // Ended, not returned: whatever was under way is rolled back.
    client.release(true)
    const { code, detail } = error as { code?: unknown; detail?: string }
    throw code === UNIQUE_VIOLATION ? moved(detail ?? 'a stream was begun') : error
  }
}

/** Waits for whoever writes to them; the statement itself passes over what is locked. */
async function lockHeads(
  client: PoolClient,
  tenantId: string,
  { heads, events }: ImportBatch['plan'],
): Promise<void> {
  const known = new Map([...heads].filter(([, { oldVersion }]) => oldVersion > 0))
  if (known.size === 0) return
  const { rows } = await client.query<{ stream_id: string; version: number; hash: Buffer }>(
    `select stream_id, version, hash from streams where tenant_id = $1 and stream_id = any($2)
      order by stream_id for update`,
    [tenantId, [...known.keys()]],
  )
  const first = new Map<string, Buffer>()
  for (const { event, link } of events) {
    if (!first.has(event.streamId)) first.set(event.streamId, link.prevHash)
  }
  for (const { stream_id: id, version, hash } of rows) {
    if (version !== known.get(id)?.oldVersion || !hash.equals(first.get(id) as Buffer)) {
      throw moved(`${id} is at version ${version}`)
    }
  }
}

/** Lets the workers have what was imported, but for turns that wait for somebody's answer. */
export async function releaseMailboxes(pool: Pool, tenantId: string): Promise<void> {
  await pool.query(
    `update mailboxes m set not_before = null
      where tenant_id = $1 and not_before = 'infinity' and not exists (
        select from turns t where t.tenant_id = m.tenant_id and t.agent_id = m.agent_id
           and t.status = 'parked' and t.stop_reason = 'requires_approval')`,
    [tenantId],
  )
}

/** A connection that breaks fails its query too. */
function unheard(): void {}

function moved(what: string): ImportRefusal {
  const message = `Somebody else wrote to what was being imported: ${what}.`
  return new ImportRefusal('moved', message)
}
