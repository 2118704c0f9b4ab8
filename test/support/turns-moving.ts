import { setTimeout as pause } from 'node:timers/promises'
import type pg from 'pg'
import type { TurnLoad } from './turn-load.js'

const BUSY_POLL_MS = 200

/** Until so many turns are under way. Looks seldom: it counts all turns there have been. */
export async function busy(load: TurnLoad, inFlight: number): Promise<void> {
  while ((await load.inFlight()) < inFlight) await pause(BUSY_POLL_MS)
}

/**
 * For a server that notes when it committed what.
 *
 * @returns how long it took until every agent with something to do had a commit, in milliseconds.
 */
export async function allMoving(sql: pg.Pool): Promise<number> {
  const since = Date.now()
  const { rows } = await sql.query<{ agent_id: string }>(
    `select agent_id from mailboxes where pending > 0`,
  )
  let waiting = rows.map((row) => row.agent_id)
  let last = 0
  while (waiting.length > 0) {
    // An event's own time is that of its decision: what was under way at `since` counts by its commit. One that
    // was flushed by then and not yet seen may have been an agent's last.
    const { rows: moved } = await sql.query<{ agent_id: string; at: number | null }>(
      `select agent_id, min(at) as at from (
         select t.agent_id, (extract(epoch from pg_xact_commit_timestamp(e.xmin)) * 1000)::float8 as at
           from turns t
           join events e on e.tenant_id = t.tenant_id and e.stream_id = t.run_id
          where t.agent_id = any($1) and e.type <> 'TurnQueued'
            and e.recorded_at > to_timestamp($2::float8 / 1000) - interval '1 minute') committed
        where at > $2::float8 group by 1
       union all
       select agent_id, null from mailboxes where agent_id = any($1) and pending = 0`,
      [waiting, since],
    )
    for (const { at } of moved) if (at !== null) last = Math.max(last, at - since)
    const done = new Set(moved.map((row) => row.agent_id))
    waiting = waiting.filter((id) => !done.has(id))
    await pause(100)
  }
  return Math.round(last)
}
