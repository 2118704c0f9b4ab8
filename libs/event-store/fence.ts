import type { QueryResult } from 'pg'
import type { Queryable } from './stream-reader.js'

/** How far the log can be read without ever missing an event, and what holds it up. */
export interface FenceStatus {
  /** Every event with a position up to this one is either visible or will never be. */
  readonly certified: number
  /** The newest position that had been drawn at the last look. */
  readonly drawn: number
  /** How long the oldest position that is not yet certified has been waiting, in milliseconds. */
  readonly lagMs: number
  /** The backend whose transaction has been holding up the fence for over a second, if any. */
  readonly blockingPid: number | null
}

/** Positions up to `drawn` are certain once every transaction older than `xid` has ended. */
export interface Mark {
  readonly drawn: number
  readonly xid: bigint
  readonly since: number
}

/**
 * A condition that holds in every statement that sees all events up to the mark's position: the snapshot it
 * is asked of is the one the statement reads in.
 */
export function isPast({ xid }: Mark): string {
  return `pg_snapshot_xmin(pg_current_snapshot()) > '${xid}'`
}

interface Holder {
  readonly vxid: string
  /** Null for a prepared transaction. */
  readonly pid: number | null
}

const STALLED_MS = 1_000
const BLOCKER_EVERY_MS = 1_000
const MARKS_MAX = 32

const LOOK = `select case when is_called then last_value else 0 end as drawn,
                pg_snapshot_xmin(pg_current_snapshot())::text as xmin
           from events_position`
/** Of a log at rest none is taken. */
const takeXid = (marked: number): string =>
  `select pg_current_xact_id()::text as xid from events_position where is_called and last_value > ${marked}`
const HOLDERS = {
  name: 'fence-holders',
  text: `select virtualtransaction as vxid, pid from pg_locks
          where locktype = 'relation' and relation = 'events'::regclass and granted
            and database = (select oid from pg_database where datname = current_database())
            and mode = 'RowExclusiveLock'`,
}
const OLDEST = {
  name: 'fence-oldest',
  text: `select pid from pg_stat_activity where backend_xid is not null
          order by age(backend_xid) desc limit 1`,
}

/**
 * Certifies positions of the log. Positions are drawn before the commit, so a higher one may become
 * visible before a lower one, and a cursor on `position` alone loses events.
 *
 * The rule: read the newest position drawn; in a later statement take a transaction id; once a later
 * snapshot has no running transaction below that id, everything up to the position is settled. It holds
 * because every writer has its transaction id before it draws a position (it locks or inserts its heads
 * first), and because the sequence caches nothing. The snapshot's xmax would not do in place of a
 * transaction id taken: it is the last *completed* one plus one, and a running writer may have a higher.
 *
 * Any old transaction of the whole cluster delays that. When it has for over a second, only those are
 * waited for that held a write lock on `events` after the position was read, as CREATE INDEX
 * CONCURRENTLY does: a writer takes that lock before it draws and keeps it to its end.
 *
 * Must have one session of its own for its whole life: what it knows is void after a crash of the server.
 */
export class Fence {
  readonly #marks: Mark[] = []
  #certified = 0
  #drawn = 0
  /** The oldest running transaction that was found to hold the fence up for too long. */
  #stalledBy: bigint | null = null
  #waitingFor: { readonly drawn: number; readonly holders: ReadonlySet<string> } | null = null
  #blocker: { readonly pid: number | null; readonly at: number } | null = null

  constructor(
    private readonly session: Queryable,
    private readonly stalledMs = STALLED_MS,
  ) {}

  /** Looks once: certifies what has settled, and marks what is new. */
  async advance(): Promise<FenceStatus> {
    const marked = this.#marks.at(-1)?.drawn ?? this.#certified
    const since = performance.now()
    const { drawn, xmin, xid } = await this.#look(marked)
    this.#drawn = drawn
    while (this.#marks[0] && this.#marks[0].xid < xmin) {
      this.#certified = (this.#marks.shift() as Mark).drawn
    }
    if (xid !== null && drawn > marked) this.#marks.push({ drawn, xid, since })
    await this.#passStalled(drawn, xmin)
    return this.status()
  }

  status(): FenceStatus {
    const oldest = this.#marks[0]
    return {
      certified: this.#certified,
      drawn: this.#drawn,
      lagMs: oldest ? Math.round(performance.now() - oldest.since) : 0,
      blockingPid: this.#blocker?.pid ?? null,
    }
  }

  /** The oldest mark that is still waited for: a statement may ask for itself whether it `isPast` it. */
  get next(): Mark | null {
    return this.#marks[0] ?? null
  }

  /** Such a statement found that it is. */
  pass(mark: Mark): void {
    while (this.#marks[0] && this.#marks[0].drawn <= mark.drawn) {
      this.#certified = (this.#marks.shift() as Mark).drawn
    }
  }

  /** Both statements in one message: the id is taken after the position was read, and ends with them. */
  async #look(marked: number): Promise<{ drawn: number; xmin: bigint; xid: bigint | null }> {
    const takes = this.#marks.length < MARKS_MAX ? [takeXid(marked)] : []
    const text = [LOOK, ...takes].join(';')
    const results: QueryResult[] = [await this.session.query(text)].flat()
    const [row, taken] = results.map(({ rows }) => rows[0])
    if (!row) throw new Error('the sequence of positions is missing')
    const xid = taken ? BigInt(taken.xid) : null
    return { drawn: Number(row.drawn), xmin: BigInt(row.xmin), xid }
  }

  /** `drawn` was read in an earlier statement than the locks are. */
  async #passStalled(drawn: number, xmin: bigint): Promise<void> {
    const oldest = this.#marks[0]
    const stalled =
      oldest && (xmin === this.#stalledBy || performance.now() - oldest.since > this.stalledMs)
    if (!stalled) {
      this.#waitingFor = null
      if (xmin !== this.#stalledBy) this.#stalledBy = this.#blocker = null
      return
    }
    this.#stalledBy = xmin
    const { rows } = await this.session.query<Holder>(HOLDERS)
    await this.#nameBlocker(rows)
    const seen = this.#waitingFor?.holders
    // A prepared transaction has a new name for its locks: always wait for it.
    const held = seen ? rows.filter(({ vxid, pid }) => seen.has(vxid) || pid === null) : rows
    this.#waitingFor = {
      drawn: this.#waitingFor?.drawn ?? drawn,
      holders: new Set(held.map(({ vxid }) => vxid)),
    }
    if (held.length > 0) return
    this.#certified = Math.max(this.#certified, this.#waitingFor.drawn)
    this.#waitingFor = null
    while (this.#marks[0] && this.#marks[0].drawn <= this.#certified) this.#marks.shift()
  }

  /** A writer of events that is in the way, else whoever has the oldest transaction of the cluster. */
  async #nameBlocker(holders: readonly Holder[]): Promise<void> {
    const now = performance.now()
    if (this.#blocker && now - this.#blocker.at < BLOCKER_EVERY_MS) return
    const writer = holders.find(({ vxid }) => this.#waitingFor?.holders.has(vxid) ?? true)
    const { rows } = writer ? { rows: [writer] } : await this.session.query<Holder>(OLDEST)
    this.#blocker = { pid: rows[0]?.pid ?? null, at: now }
  }
}
