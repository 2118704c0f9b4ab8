import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import { rejection } from '#domain/errors.js'
import { storedVerdict } from './command-results.js'
import { classify, violated } from './fault.js'
import type { Outcomes } from './flight.js'
import { decideUnit } from './group.js'
import { isIdle, openPlan, type PendingUnit, type Plan, rememberAttempts } from './plan.js'
import { scalarStatement } from './scalar-statement.js'
import type { StateCache } from './state-cache.js'
import { type Answer, groupStatement } from './statement.js'
import { catchUp, type FoldedStream, type Queryable } from './stream-reader.js'
import type { Project, Verdict } from './unit.js'
import { want } from './wanted.js'

/** A stream that was lost once is likely to be lost again: for so long its units come here directly. */
const CONTENDED_MS_MIN = 100
const CONTENDED_MS_MAX = 200
const GROUP_UNITS_MAX = 256
/** How long a unit whose outcome is unknown waits for the database to come back. */
const RECONNECT_MS_MAX = 10_000
const RECONNECT_PAUSE_MS_MIN = 5
const RECONNECT_PAUSE_MS_MAX = 500

interface Options {
  readonly writes: Pool
  readonly reads: Pool
  readonly project: Project
}

/** What one transaction has come to: told to nobody before its commit. */
interface Transaction {
  plan: Plan | null
  /** Units that need no plan: answered before, or fenced. */
  readonly early: Map<PendingUnit, Verdict<unknown>>
}

/**
 * For streams that moved or are locked elsewhere: locks the heads and waits, reads what is new,
 * decides again, writes. Under the lock the compare-and-set cannot lose.
 */
export class SideLane {
  readonly #queue: PendingUnit[] = []
  readonly #contended = new Map<string, number>()
  #running: Promise<void> | null = null

  constructor(
    private readonly options: Options,
    private readonly cache: StateCache,
    private readonly outcomes: Outcomes,
  ) {}

  isContended(pending: PendingUnit): boolean {
    if (this.#contended.size === 0) return false
    return pending.streams.some((id) => {
      const until = this.#contended.get(`${pending.unit.tenantId}/${id}`)
      if (until === undefined) return false
      if (until > Date.now()) return true
      this.#contended.delete(`${pending.unit.tenantId}/${id}`)
      return false
    })
  }

  /** @param lost streams that were lost just now, to be remembered as contended. */
  add(units: readonly PendingUnit[], lost: ReadonlySet<string> = new Set()): void {
    const jitter = CONTENDED_MS_MIN + Math.random() * (CONTENDED_MS_MAX - CONTENDED_MS_MIN)
    for (const pending of units) {
      for (const id of pending.streams) {
        if (lost.has(id)) this.#contended.set(`${pending.unit.tenantId}/${id}`, Date.now() + jitter)
      }
    }
    this.#queue.push(...units)
    if (this.#queue.length === 0) return
    this.#running ??= this.#drain()
  }

  async idle(): Promise<void> {
    while (this.#running) await this.#running
  }

  /** Ends in the same step in which it finds the queue empty, so no unit falls between two runs. */
  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const tenantId = this.#queue[0]?.unit.tenantId
      const others = this.#queue.findIndex((pending) => pending.unit.tenantId !== tenantId)
      const count = Math.min(GROUP_UNITS_MAX, others < 0 ? this.#queue.length : others)
      await this.#attempt(this.#queue.splice(0, count))
    }
    this.#running = null
  }

  async #attempt(units: readonly PendingUnit[], since = Date.now()): Promise<void> {
    if (units.length === 0) return
    try {
      await this.#transaction(units)
    } catch (error) {
      const fault = classify(error)
      if (fault === 'outcome_unknown' && Date.now() - since < RECONNECT_MS_MAX) {
        const waited = Math.max(RECONNECT_PAUSE_MS_MIN, Date.now() - since)
        await sleep(Math.min(waited, RECONNECT_PAUSE_MS_MAX))
        return this.#attempt(units, since)
      }
      if (fault === 'deadlock') return this.#attempt(units, since)
      if (units.length > 1) {
        const half = units.length >> 1
        await this.#attempt(units.slice(0, half), since)
        return this.#attempt(units.slice(half), since)
      }
      await this.#endAlone(units[0] as PendingUnit, error, since)
    }
  }

  async #endAlone(pending: PendingUnit, error: unknown, since: number): Promise<void> {
    const fault = classify(error)
    if (fault === 'duplicate' && violated(error) === 'streams_pkey') {
      // Somebody made the stream meanwhile: now it can be locked and read.
      return this.#attempt([pending], since)
    }
    if (fault === 'duplicate' && violated(error) === 'command_results_pkey') {
      return this.#attempt([pending], since)
    }
    if (fault === 'locked' && pending.attempts.length > 0) {
      // "Busy" says that nothing was written, and an earlier attempt may have been. That it was can be
      // told without the lock; that it was not, only under it.
      const known = await answered(this.options.reads, pending).catch(() => null)
      if (known) return pending.resolve(known)
      if (Date.now() - since < RECONNECT_MS_MAX) return this.#attempt([pending], since)
    }
    if (fault === 'locked' || fault === 'outcome_unknown') {
      const code = fault === 'locked' ? 'busy' : 'not_ready'
      const detail = fault === 'locked' ? 'The stream is busy' : 'The database does not answer'
      pending.resolve({ status: 'rejected', rejection: rejection(code, detail), replayed: false })
      return
    }
    pending.reject(error)
  }

  async #transaction(units: readonly PendingUnit[]): Promise<void> {
    const client = await this.options.writes.connect()
    // A connection that breaks while it is held says so as an event too; unheard, it ends the process.
    client.on('error', ignore)
    const transaction: Transaction = { plan: null, early: new Map() }
    let broken = false
    try {
      await client.query('begin')
      await this.#locked(client, units, transaction)
      await client.query('commit')
    } catch (error) {
      broken = classify(error) === 'outcome_unknown'
      if (broken && transaction.plan) rememberAttempts(transaction.plan)
      else await client.query('rollback').catch(ignore)
      throw error
    } finally {
      client.off('error', ignore)
      client.release(broken)
    }
    for (const [pending, verdict] of transaction.early) pending.resolve(verdict)
    if (!transaction.plan) return
    this.outcomes.keep(transaction.plan)
    this.outcomes.answer(transaction.plan)
  }

  /** Everything between begin and commit. Verdicts are given only after the commit. */
  async #locked(
    client: PoolClient,
    units: readonly PendingUnit[],
    transaction: Transaction,
  ): Promise<void> {
    const tenantId = units[0]?.unit.tenantId as string
    let streams = await this.#lock(client, tenantId, units)
    for (const pending of units) {
      const known = await answered(client, pending)
      if (known) transaction.early.set(pending, known)
    }
    let open = units.filter((pending) => !transaction.early.has(pending))
    while (open.length > 0) {
      const locked = streams
      const plan = openPlan(tenantId, (id) => locked.get(id))
      let wanting = false
      for (const pending of open) {
        const wanted = decideUnit(plan, pending, this.options.project)
        if (!wanted) continue
        await want(client, pending, wanted)
        wanting = true
      }
      if (wanting) {
        streams = await this.#lock(client, tenantId, open)
        continue
      }
      transaction.plan = plan
      if (isIdle(plan)) return
      const { rows } = await client.query<Answer>(scalarStatement(plan) ?? groupStatement(plan))
      const answer = rows[0] as Answer
      if (answer.ok) return
      transaction.plan = null
      if (answer.fenced.length === 0) {
        throw new Error(`a locked head was lost: ${answer.lost.join(', ')}`)
      }
      for (const n of answer.fenced) {
        const fence = plan.fences[n - 1]
        if (fence) transaction.early.set(fence.unit, fence.otherwise)
      }
      open = open.filter((pending) => !transaction.early.has(pending))
    }
  }

  /** Locks the heads in one order everywhere, then reads what the cache does not know yet. */
  async #lock(
    client: PoolClient,
    tenantId: string,
    units: readonly PendingUnit[],
  ): Promise<Map<string, FoldedStream>> {
    const ids = [...new Set(units.flatMap((pending) => pending.streams))]
    await client.query({
      name: 'lock-heads',
      text: `select stream_id from streams where tenant_id = $1 and stream_id = any($2::text[])
              order by stream_id for update`,
      values: [tenantId, ids],
    })
    return catchUp(client, tenantId, ids, (id) => this.cache.get(tenantId, id))
  }
}

/** What an earlier attempt, of this process or of another, has already brought about. */
async function answered(client: Queryable, pending: PendingUnit): Promise<Verdict<unknown> | null> {
  const { command, tenantId } = pending.unit
  if (command) {
    const stored = await storedVerdict(client, tenantId, command)
    if (stored) return stored
  }
  for (const { event, hash, verdict } of pending.attempts) {
    const { rows } = await client.query<{ hash: Buffer }>(
      'select hash from events where tenant_id = $1 and stream_id = $2 and version = $3',
      [tenantId, event.streamId, event.version],
    )
    if (rows[0]?.hash.equals(hash)) return verdict
  }
  return null
}

/** The query that was under way reports the same. */
function ignore(): void {}
