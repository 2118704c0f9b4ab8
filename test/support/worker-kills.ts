import { setTimeout as pause } from 'node:timers/promises'
import type pg from 'pg'
import type { Seeded } from './seeded.js'
import type { TurnFleet } from './turn-fleet.js'
import type { WorkerCrew, WorkerProcess } from './worker-crew.js'

export interface WorkerKills {
  readonly kills: number
  /** Turns that had begun and not ended, at the kill with the fewest. */
  readonly inFlightMin: number
  /** Turns the killed workers had. */
  readonly orphans: number
  /** From each kill to the next commit of every turn the worker had, in milliseconds, ascending. */
  readonly recoveryMs: readonly number[]
}

/** The event's own time is that of its decision: a flush earlier. */
const COMMITTED_AT = `case when current_setting('track_commit_timestamp')::bool
  then pg_xact_commit_timestamp(e.xmin) else e.recorded_at end`
/** Between two kills, at most. */
const PAUSE_MS_MAX = 2_000
/** Commits carry their own times: looking more often would only take from what is measured. */
const POLL_MS = 150
const RECOVERED_WITHIN_MS = 60_000

/** Kills workers one after another, each when the turns of the one before run again. */
export async function killWorkers(
  { crew, load, sql }: TurnFleet,
  { kills, random }: { readonly kills: number; readonly random: Seeded },
): Promise<WorkerKills> {
  let inFlightMin = Number.POSITIVE_INFINITY
  const recoveryMs: number[] = []
  let orphans = 0
  for (let kill = 0; kill < kills; kill++) {
    await crew.complete()
    await pause(random() * PAUSE_MS_MAX)
    inFlightMin = Math.min(inFlightMin, await load.inFlight())
    const victim = await busy(crew, sql, random)
    const killedAt = Date.now()
    victim.signal('SIGKILL')
    const runs = await runsOf(sql, victim.workerId)
    orphans += runs.length
    const took = await recovered(sql, runs, killedAt)
    tell(kill, took)
    recoveryMs.push(...took)
    // Not before: two cores would start a program instead of taking turns up.
    void crew.hire(1)
  }
  await crew.complete()
  return { kills, inFlightMin, orphans, recoveryMs: recoveryMs.sort((a, b) => a - b) }
}

/** One at random of those that have turns. */
async function busy(crew: WorkerCrew, sql: pg.Pool, random: Seeded): Promise<WorkerProcess> {
  for (;;) {
    const victim = crew.take(random)
    if ((await runsOf(sql, victim.workerId)).length > 0) return victim
    crew.workers.push(victim)
    await pause(POLL_MS)
  }
}

function tell(kill: number, took: readonly number[]): void {
  if (!process.env['TURNS_VERBOSE']) return
  const ms = took.map(Math.round).sort((a, b) => a - b)
  const quantiles = [0, 0.5, 0.9, 1].map((share) => percentile(ms, share)).join(' ')
  process.stderr.write(`kill ${kill}: ${ms.length} turns taken up after ${quantiles} ms\n`)
}

export async function runsOf(sql: pg.Pool, workerId: string): Promise<string[]> {
  const { rows } = await sql.query<{ run_id: string }>(
    `select t.run_id from mailboxes m join turns t using (tenant_id, agent_id)
      where m.owner = $1 and t.status = 'running'`,
    [workerId],
  )
  return rows.map((row) => row.run_id)
}

/**
 * @returns for each run the time from the kill to the commit with which another worker took it up. A commit
 *   that was under way when its worker died may have ended the run: that one needed nobody.
 */
export async function recovered(
  sql: pg.Pool,
  runs: readonly string[],
  killedAt: number,
): Promise<number[]> {
  const took: number[] = []
  let left = runs
  const deadline = Date.now() + RECOVERED_WITHIN_MS
  while (left.length > 0) {
    if (Date.now() > deadline) throw new Error(`${left.length} turns were taken up by nobody`)
    await pause(POLL_MS)
    const { rows } = await sql.query<{ stream_id: string; at: number | null }>(
      `select r.run_id as stream_id, s.at
         from unnest($1::text[]) r(run_id)
         join turns t on t.tenant_id = 'default' and t.run_id = r.run_id
         cross join lateral (
           select min(extract(epoch from ${COMMITTED_AT}) * 1000)::float8 as at
             from events e
            where e.tenant_id = 'default' and e.stream_id = r.run_id and e.type = 'TurnStarted'
              and e.recorded_at > to_timestamp($2::float8 / 1000)) s
        where s.at is not null or t.status not in ('queued', 'running')`,
      [left, killedAt],
    )
    for (const { at } of rows) if (at !== null) took.push(at - killedAt)
    const done = new Set(rows.map((row) => row.stream_id))
    left = left.filter((run) => !done.has(run))
  }
  return took
}

/** Of ascending figures. */
export function percentile(ascending: readonly number[], share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? 0
}
