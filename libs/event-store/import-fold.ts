import type { Pool } from 'pg'
import type { AnyState } from '#domain/streams.js'
import { decoded, type StoredEvent } from './event-row.js'
import { UnreadableEvent } from './fold-row.js'
import { ImportRefusal } from './import-refusal.js'
import { scanLog, streamEvent } from './log-scan.js'
import { addEvent, addRow, type EventRow, openPlan, type Plan } from './plan.js'
import { evolveStored, isErased, storedRows } from './stored-fold.js'
import { emptyStream, type FoldedStream, foldStreams } from './stream-reader.js'
import type { Project, StreamEvent } from './unit.js'

/** Events that are to be written together, with all that follows from them. */
export interface ImportBatch {
  readonly plan: Plan
  /** The newest epoch each agent's turns were run under. */
  readonly epochs: ReadonlyMap<string, number>
  /** Streams as the batch leaves them, but for those whose state cannot be told any more. */
  readonly streams: readonly FoldedStream[]
}

/** Folds the events of an export on what the database holds, and says what a commit of them writes. */
export class ImportFold {
  readonly #streams = new Map<string, FoldedStream>()
  /** Streams that an erased event is part of. */
  readonly #erased = new Set<string>()

  constructor(
    private readonly pool: Pool,
    private readonly tenantId: string,
    private readonly project: Project,
  ) {}

  /**
   * @param events in the order of the export; those of one stream go on from each other, the first from
   *   what the database or an earlier batch holds.
   * @throws ImportRefusal unreadable
   */
  async batch(events: readonly StoredEvent[]): Promise<ImportBatch> {
    await this.#load(events)
    const plan = openPlan(this.tenantId, () => undefined)
    const epochs = new Map<string, number>()
    for (const stored of events) {
      try {
        this.#add(plan, epochs, stored)
      } catch (error) {
        throw unreadable(stored, error)
      }
    }
    const ids = [...plan.heads.keys()].filter((id) => !this.#erased.has(id))
    return { plan, epochs, streams: ids.map((id) => this.#streams.get(id) as FoldedStream) }
  }

  #add(plan: Plan, epochs: Map<string, number>, stored: StoredEvent): void {
    const event = streamEvent(this.tenantId, stored)
    const { streamId } = event
    const before = this.#streams.get(streamId) ?? emptyStream(streamId)
    const state = evolveStored(before.state, event)
    const after = moved(before, stored, state)
    for (const change of storedRows(this.project, event, before.state, state)) addRow(plan, change)
    if (isErased(event)) this.#erased.add(streamId)
    this.#streams.set(streamId, after)
    addEvent(plan, eventRow(event, stored))
    const oldVersion = plan.heads.get(streamId)?.oldVersion ?? before.version
    plan.heads.set(streamId, { stream: this.#headOf(after), oldVersion })
    if (event.type === 'TurnStarted' && !isErased(event) && 'agentId' in state) {
      const { agentId } = state
      epochs.set(agentId, Math.max(epochs.get(agentId) ?? 0, event.payload.epoch))
    }
  }

  /** What earlier imports or the service have written. */
  async #load(events: readonly StoredEvent[]): Promise<void> {
    const missing = new Map<string, number>()
    for (const { streamId: bytes, version } of events) {
      const streamId = decoded(bytes)
      if (this.#streams.has(streamId) || missing.has(streamId)) continue
      missing.set(streamId, version - 1)
    }
    const ids = [...missing].filter(([, version]) => version > 0).map(([id]) => id)
    if (ids.length === 0) return
    const { rows } = await this.pool.query<{ stream_id: string }>(
      `select distinct stream_id from events
        where tenant_id = $1 and stream_id = any($2) and payload is null`,
      [this.tenantId, ids],
    )
    const erased = new Set(rows.map((row) => row.stream_id))
    const whole = ids.filter((id) => !erased.has(id))
    const folded = await foldStreams(this.pool, this.tenantId, whole, missing)
    for (const [id, stream] of folded) this.#streams.set(id, stream)
    for (const id of erased) {
      this.#streams.set(id, await this.#foldErased(id, missing.get(id) as number))
    }
  }

  async #foldErased(streamId: string, upTo: number): Promise<FoldedStream> {
    this.#erased.add(streamId)
    let stream = emptyStream(streamId)
    const client = await this.pool.connect()
    try {
      for await (const window of scanLog(client, this.tenantId, { streamId })) {
        for (const stored of window) {
          if (stored.version > upTo) return stream
          const event = streamEvent(this.tenantId, stored)
          stream = moved(stream, stored, evolveStored(stream.state, event))
        }
      }
    } finally {
      client.release()
    }
    return stream
  }

  /** A block whose text cannot be told has none in its head. */
  #headOf(stream: FoldedStream): FoldedStream {
    const { streamId, version } = stream
    if (!this.#erased.has(streamId)) return stream
    return { ...stream, state: { id: streamId, version } as AnyState }
  }
}

function moved(before: FoldedStream, stored: StoredEvent, state: AnyState): FoldedStream {
  const pendingBytes = before.pendingBytes + (stored.payload?.length ?? 0)
  const hash = Buffer.from(stored.hash, 'latin1')
  return { ...before, version: stored.version, hash, state, pendingBytes }
}

function eventRow(event: StreamEvent, stored: StoredEvent): EventRow {
  const { schema, salt } = stored
  const payload = stored.payload === null ? null : decoded(stored.payload)
  const link = {
    salt: salt === null ? null : bytes(salt),
    payloadHash: bytes(stored.payloadHash),
    prevHash: bytes(stored.prevHash),
    hash: bytes(stored.hash),
  }
  return { event, schema, payload, link }
}

function bytes(binary: string): Buffer {
  return Buffer.from(binary, 'latin1')
}

function unreadable({ streamId: bytes, version }: StoredEvent, error: unknown): unknown {
  const streamId = decoded(bytes)
  const { message } = error as Error
  if (error instanceof UnreadableEvent) return new ImportRefusal('unreadable', `${message}.`)
  if (!(error instanceof TypeError || error instanceof SyntaxError)) return error
  const why = `The payload of version ${version} of ${streamId} is none that was ever written: ${message}.`
  return new ImportRefusal('unreadable', why)
}
