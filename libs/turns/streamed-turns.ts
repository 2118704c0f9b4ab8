import type { StepState, TurnState } from '#domain/turn.js'
import type { Queryable } from '#event-store/stream-reader.js'
import type { StreamEvent } from '#event-store/unit.js'
import type { Model, ModelDelta, ModelRequest, ModelResponse } from './ports.js'

/** Tokens wait so long for others to be written with: the first goes at once. */
const FLUSH_MS = 75
/** What nobody has deleted: of workers that died. */
const FORGOTTEN_AFTER = '1 hour'
const OVER = /^Turn(Completed|Failed|Cancelled|DeadLettered)$/

/** Which call of a step it is: rises with every start of the turn and every retry, so never repeats. */
export function attemptOf(turn: TurnState, step: StepState): number {
  return turn.attempts + step.retries
}

/**
 * A worker's side of turns that somebody reads as they go: a hint at each of their commits, and the
 * tokens of the answer under way. Other turns cost nothing here. Losing any of it costs latency only:
 * readers have the log.
 */
export class StreamedTurns {
  /** Turns at work here that are streamed, and the last call whose tokens were written: none is written twice. */
  readonly #turns = new Map<string, { written: string | null }>()

  constructor(
    private readonly db: Queryable,
    private readonly hint: (runId: string) => void,
  ) {}

  /** Asks the model; whoever streams the turn by tokens hears it while it answers. */
  async ask(
    model: Model,
    tenantId: string,
    turn: TurnState,
    step: StepState,
    request: ModelRequest,
    signal: AbortSignal,
  ): Promise<ModelResponse> {
    const { streaming, stream_tokens: tokens = false } = turn.options
    if (!streaming && !tokens) return model.respond(request, signal)
    const known = this.#turns.get(turn.id) ?? { written: null }
    this.#turns.set(turn.id, known)
    this.hint(turn.id)
    const attempt = attemptOf(turn, step)
    const call = `${step.step}/${attempt}`
    if (!tokens || known.written === call) return model.respond(request, signal)
    known.written = call
    const place = [tenantId, turn.id, step.step, attempt] as const
    const writer = new DeltaWriter(this.db, place, () => this.hint(turn.id))
    try {
      return await model.respond(request, signal, (delta) => writer.write(delta))
    } finally {
      await writer.close()
    }
  }

  /** What was committed is read from the log from now on. */
  committed(events: readonly StreamEvent[]): void {
    for (const { type, streamId, tenantId } of events) {
      const turn = this.#turns.get(streamId)
      if (!turn) continue
      this.hint(streamId)
      const over = OVER.test(type)
      if (over) this.#turns.delete(streamId)
      if (turn.written && (over || type === 'ModelResponded')) this.#forget(tenantId, streamId)
    }
  }

  #forget(tenantId: string, runId: string): void {
    const text = 'delete from turn_deltas where tenant_id = $1 and run_id = $2'
    this.db.query({ name: 'forget-deltas', text, values: [tenantId, runId] }).catch(() => {})
  }
}

/** Takes away what dead workers have left behind. */
export async function forgetOldDeltas(db: Queryable): Promise<void> {
  await db.query(
    `delete from turn_deltas where written_at < clock_timestamp() - interval '${FORGOTTEN_AFTER}'`,
  )
}

type Place = readonly [tenantId: string, runId: string, step: number, attempt: number]

/** Writes the deltas of one call, in batches numbered without gaps. */
class DeltaWriter {
  #next: ModelDelta[] = []
  /** Being written, or to be tried again: always under the same number. */
  #batch: readonly ModelDelta[] = []
  #i = 0
  #timer: NodeJS.Timeout | null = null
  #writing: Promise<void> | null = null
  #closed = false

  constructor(
    private readonly db: Queryable,
    private readonly place: Place,
    private readonly onWritten: () => void,
  ) {}

  write(delta: ModelDelta): void {
    const last = this.#next.at(-1)
    if (last && samePart(last, delta)) {
      this.#next[this.#next.length - 1] = { ...last, text: last.text + delta.text }
    } else this.#next.push(delta)
    if (!this.#timer && !this.#writing) this.#flush()
  }

  /** What is not written yet comes with the whole message; what is under way must not come after it. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#timer) clearTimeout(this.#timer)
    await this.#writing
  }

  #flush(): void {
    this.#timer = null
    if (this.#batch.length === 0) this.#batch = this.#next.splice(0)
    if (this.#batch.length > 0) this.#writing = this.#insert()
  }

  async #insert(): Promise<void> {
    try {
      await this.db.query({
        name: 'write-deltas',
        text: `insert into turn_deltas (tenant_id, run_id, step, attempt, i, deltas)
               values ($1, $2, $3, $4, $5, $6) on conflict do nothing`,
        values: [...this.place, this.#i, JSON.stringify(this.#batch)],
      })
      this.#batch = []
      this.#i += 1
      this.onWritten()
    } catch {
      // Tried again: a reader that finds a number missing waits for it.
    }
    this.#writing = null
    if (!this.#closed) this.#timer = setTimeout(() => this.#flush(), FLUSH_MS)
  }
}

function samePart(a: ModelDelta, b: ModelDelta): boolean {
  return a.part === b.part && (a.part !== 'call' || a.index === (b as typeof a).index)
}
