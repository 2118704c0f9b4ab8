import { type Queryable, readStreamsAfter } from '#event-store/stream-reader.js'
import type { ModelDelta } from './ports.js'
import { RunLog } from './run-log.js'

/** How often followed runs are read when no hint comes: correctness rests on this alone. */
const SWEEP_MS = 500
/** Runs and rows read by one query. */
const RUNS_MAX = 500
const ROWS_MAX = 1_000

interface Followed {
  readonly log: RunLog
  readers: number
}

interface DeltaRow {
  run_id: string
  step: number
  attempt: number
  i: number
  deltas: readonly ModelDelta[]
}

/**
 * The runs somebody in this process reads as they go, with no connection per reader: all of them are
 * read together, when a hint says that there is news, and by a sweep that makes sure. A run is kept for
 * as long as it has readers.
 */
export class RunLogs {
  readonly #followed = new Map<string, Followed>()
  readonly #due = new Set<string>()
  #timer: NodeJS.Timeout | null = null
  #reading = false

  constructor(
    private readonly db: Queryable,
    private readonly tenantId: string,
  ) {}

  /** How many runs are read. */
  get followed(): number {
    return this.#followed.size
  }

  /** The run's log, shared with its other readers; `leave` it once. */
  follow(runId: string): RunLog {
    const known = this.#followed.get(runId)
    if (known) {
      known.readers += 1
      return known.log
    }
    const log = new RunLog(runId)
    this.#followed.set(runId, { log, readers: 1 })
    this.#timer ??= setInterval(() => this.hint([...this.#followed.keys()]), SWEEP_MS)
    this.hint([runId])
    return log
  }

  leave(runId: string): void {
    const known = this.#followed.get(runId)
    if (!known) return
    known.readers -= 1
    if (known.readers === 0) this.#followed.delete(runId)
    if (this.#followed.size === 0) this.close()
  }

  /** These runs may have news. */
  hint(runIds: readonly string[]): void {
    for (const id of runIds) if (this.#followed.has(id)) this.#due.add(id)
    if (!this.#reading) void this.#read()
  }

  close(): void {
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = null
  }

  async #read(): Promise<void> {
    this.#reading = true
    while (this.#due.size > 0) {
      const ids = [...this.#due].slice(0, RUNS_MAX)
      for (const id of ids) this.#due.delete(id)
      const logs = ids.flatMap((id) => this.#followed.get(id)?.log ?? [])
      try {
        const isAll = await this.#readEvents(logs)
        if (isAll) await this.#readDeltas(logs)
        else for (const id of ids) this.#due.add(id)
      } catch {
        // The next sweep reads again.
      }
    }
    this.#reading = false
  }

  /** @returns false when there is more than one query reads */
  async #readEvents(logs: readonly RunLog[]): Promise<boolean> {
    if (logs.length === 0) return true
    const known = new Map(logs.map((log) => [log.runId, log.version]))
    const events = await readStreamsAfter(this.db, this.tenantId, known, ROWS_MAX)
    for (const event of events) this.#followed.get(event.streamId)?.log.learn(event)
    const isAll = events.length < ROWS_MAX
    const fresh = new Set(events.map((event) => event.streamId))
    if (!isAll) return false
    for (const log of logs) if (fresh.has(log.runId) || !log.isRead) log.tell()
    return true
  }

  /** Only of turns that are streamed by tokens and wait for their model. */
  async #readDeltas(logs: readonly RunLog[]): Promise<void> {
    const asking = logs.filter((log) => log.ask && log.state.options.stream_tokens)
    if (asking.length === 0) return
    const { rows } = await this.db.query<DeltaRow>({
      name: 'read-deltas',
      text: `select d.run_id, d.step, d.attempt, d.i, d.deltas
        from unnest($2::text[], $3::int[], $4::int[], $5::int[]) s(run_id, step, attempt, i)
        join turn_deltas d on d.tenant_id = $1 and d.run_id = s.run_id and d.step = s.step
                          and d.attempt = s.attempt and d.i >= s.i
       order by d.run_id, d.i limit ${ROWS_MAX}`,
      values: [
        this.tenantId,
        asking.map((log) => log.runId),
        asking.map((log) => log.ask?.step),
        asking.map((log) => log.ask?.attempt),
        asking.map((log) => log.nextDelta),
      ],
    })
    for (const { run_id, step, attempt, i, deltas } of rows) {
      this.#followed.get(run_id)?.log.hear(step, attempt, i, deltas)
    }
    for (const id of new Set(rows.map((row) => row.run_id))) this.#followed.get(id)?.log.tell()
    if (rows.length === ROWS_MAX) this.hint(asking.map((log) => log.runId))
  }
}
