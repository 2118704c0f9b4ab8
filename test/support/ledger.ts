import { isDeepStrictEqual } from 'node:util'
import type { Pool } from 'pg'
import { verifyLog } from '#event-store/verify.js'
import { tenantId } from './log.js'

/** Where each stream's event of a unit stands, as its client was told. */
export type Versions = Readonly<Record<string, number>>

/** A unit as its client knows it: a text that nobody else writes, once into each of these streams. */
export interface Work {
  readonly text: string
  readonly streams: readonly string[]
  readonly commandId: string | null
}

/** How a log differs from what its clients were told. */
export interface Differences {
  /** Acknowledged units of which an event is missing. */
  readonly lost: number
  /** Units of which an event is there more than once. */
  readonly doubled: number
  /** Units that are there in part. */
  readonly torn: number
  /** Acknowledged events at another version, or under another command id, than was said. */
  readonly misplaced: number
  /** Events nobody asked for. */
  readonly strange: number
  /** Streams whose versions are not 1, 2, 3 … up to that of the head. */
  readonly gaps: number
  /** Events that stand before the previous one of their stream. */
  readonly inverted: number
  /** What the verification finds: hashes, chains, heads, texts, commands carried out twice. */
  readonly findings: readonly string[]
}

/** What a log must come to. */
export const NO_DIFFERENCES: Differences = {
  lost: 0,
  doubled: 0,
  torn: 0,
  misplaced: 0,
  strange: 0,
  gaps: 0,
  inverted: 0,
  findings: [],
}

interface Stored {
  readonly stream_id: string
  readonly version: number
  readonly command_id: string
  readonly text: string
}

/** Every unit that was asked for, and what its client was told. Kept outside the database. */
export class Ledger {
  acknowledged = 0
  /** Units whose client never learnt what became of them: in the log once or not at all. */
  unknown = 0
  /** Units that were sent again because their outcome was unknown. */
  retried = 0
  readonly #works = new Map<string, Work>()
  readonly #told = new Map<string, Versions>()

  /** Before the first attempt. */
  ask(work: Work): void {
    this.#works.set(work.text, work)
  }

  acknowledge(work: Work, versions: Versions): void {
    this.#told.set(work.text, versions)
    this.acknowledged += 1
  }

  /** Acknowledged units with a command id, newest first, and what their clients were told. */
  *newestWithIds(): Generator<[Work, Versions]> {
    for (const [text, versions] of [...this.#told].reverse()) {
      const work = this.#works.get(text) as Work
      if (work.commandId) yield [work, versions]
    }
  }

  /** @param chained false where the events were written without hashes. */
  async compare(pool: Pool, { chained = true } = {}): Promise<Differences> {
    await analyze(pool)
    const { rows } = await pool.query<Stored>(
      `select stream_id, version, command_id,
              coalesce(payload->'intent'->>'text', payload->'intent'->>'value') as text
         from events where tenant_id = $1`,
      [tenantId],
    )
    const written = new Map<string, Stored[]>()
    for (const row of rows) {
      if (!row.text) continue
      const those = written.get(row.text)
      if (those) those.push(row)
      else written.set(row.text, [row])
    }
    const count = { lost: 0, doubled: 0, torn: 0, misplaced: 0, strange: 0 }
    for (const [text, work] of this.#works) this.#judge(work, written.get(text) ?? [], count)
    for (const text of written.keys()) count.strange += this.#works.has(text) ? 0 : 1
    return { ...count, ...(await orderOf(pool)), findings: chained ? await verified(pool) : [] }
  }

  #judge(
    work: Work,
    rows: readonly Stored[],
    count: { lost: number; doubled: number; torn: number; misplaced: number },
  ): void {
    const told = this.#told.get(work.text)
    const there = new Set(rows.map((row) => row.stream_id))
    const whole = work.streams.every((id) => there.has(id))
    if (told && !whole) count.lost += 1
    if (rows.length > there.size) count.doubled += 1
    if (there.size > 0 && !whole) count.torn += 1
    if (!told || !whole || rows.length > there.size) return
    const found = Object.fromEntries(rows.map((row) => [row.stream_id, row.version]))
    const named = work.commandId === null || rows.every((row) => row.command_id === work.commandId)
    if (!named || !isDeepStrictEqual(found, { ...told })) count.misplaced += 1
  }
}

/** As autovacuum has done long since on a log that is older: plans made without statistics are slow. */
async function analyze(pool: Pool): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query(
      'begin; set local role none; analyze events, streams, command_results; commit',
    )
  } finally {
    client.release()
  }
}

async function orderOf(pool: Pool): Promise<{ gaps: number; inverted: number }> {
  const { rows } = await pool.query<{ gaps: number; inverted: number }>(
    `select (select count(*)::int from
               (select stream_id, count(*) as events, min(version) as first, max(version) as last
                  from events where tenant_id = $1 group by stream_id) e
               full join (select stream_id, version from streams where tenant_id = $1) s using (stream_id)
              where (first, last, events::int) is distinct from (1, version, version)) as gaps,
            (select count(*)::int from
               (select position, lag(position) over (partition by stream_id order by version) as before
                  from events where tenant_id = $1) p
              where position <= before) as inverted`,
    [tenantId],
  )
  return rows[0] as { gaps: number; inverted: number }
}

async function verified(pool: Pool): Promise<string[]> {
  const { findings } = await verifyLog(pool, { tenantId, keys: new Map(), outside: [] })
  return findings.map(({ kind, streamId, detail }) => `${kind} ${streamId}: ${detail}`)
}
