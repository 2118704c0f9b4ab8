import { type AnyState, initialState } from '#domain/streams.js'
import { type ScanOptions, scanLog, streamEvent } from '#event-store/log-scan.js'
import { evolveStored, storedRows } from '#event-store/stored-fold.js'
import type { StreamEvent } from '#event-store/unit.js'
import { KEYS, type Projected } from '#postgres/tables.js'
import { project } from './projection.js'

export type Table = keyof Projected

export const TABLES = Object.keys(KEYS) as Table[]

/** What names a row of a table: its key columns' values as a JSON array. */
export function keyOf(table: Table, row: object): string {
  return JSON.stringify(KEYS[table].map((column) => (row as Record<string, unknown>)[column]))
}

/** The rows of every read model, as the events give them. */
export class LogFold {
  readonly rows: ReadonlyMap<Table, Map<string, object>> = new Map(
    TABLES.map((table) => [table, new Map()]),
  )
  /** Keys that changed since `forget`. */
  readonly touched: ReadonlyMap<Table, Set<string>> = new Map(
    TABLES.map((table) => [table, new Set()]),
  )
  events = 0
  readonly #states = new Map<string, AnyState>()
  readonly #seqs = new Map<string, { next: number; readonly of: Map<string, number> }>()

  constructor(private readonly tenantId: string) {}

  /** Folds what a scan of the log gives. */
  async read(
    client: Parameters<typeof scanLog>[0],
    options: ScanOptions,
    onWindow: (position: number) => void = () => {},
  ): Promise<void> {
    for await (const window of scanLog(client, this.tenantId, options)) {
      for (const event of window) this.#apply(streamEvent(this.tenantId, event))
      onWindow(window.at(-1)?.position ?? 0)
    }
  }

  forget(): void {
    for (const keys of this.touched.values()) keys.clear()
  }

  #apply(event: StreamEvent): void {
    this.events += 1
    const before = this.#states.get(event.streamId) ?? initialState(event.streamId)
    const after = evolveStored(before, event)
    this.#states.set(event.streamId, after)
    for (const change of storedRows(project, event, before, after)) {
      if ('mailbox' in change) {
        if (change.mailbox === 'queued') this.#number(change.agentId, change.runId)
      } else if ('remove' in change) this.#put(change.table, change.remove, null)
      else if (change.table !== 'turns') this.#put(change.table, change.put, change.put)
      else this.#put('turns', change.put, { ...change.put, seq: this.#seqOf(change.put) })
    }
    // A turn's row is projected from the same event that queues it, before its number is known.
    if (event.type === 'TurnQueued') this.#numbered(event.streamId)
  }

  #put(table: Table, named: object, row: object | null): void {
    const key = keyOf(table, named)
    if (row) this.rows.get(table)?.set(key, row)
    else this.rows.get(table)?.delete(key)
    this.touched.get(table)?.add(key)
  }

  /** An agent's turns are numbered in the order in which they were queued. */
  #number(agentId: string, runId: string): void {
    const seqs = this.#seqs.get(agentId) ?? { next: 1, of: new Map<string, number>() }
    seqs.of.set(runId, seqs.next)
    seqs.next += 1
    this.#seqs.set(agentId, seqs)
  }

  #seqOf(turn: { readonly agent_id: string; readonly run_id: string }): number {
    return this.#seqs.get(turn.agent_id)?.of.get(turn.run_id) ?? 0
  }

  #numbered(runId: string): void {
    const turn = this.rows.get('turns')?.get(keyOf('turns', { run_id: runId }))
    if (turn) Object.assign(turn, { seq: this.#seqOf(turn as Projected['turns']) })
  }
}
