import type { Recorded } from '#domain/event.js'
import { evolveTurn, initialTurn, type StepState, type TurnState } from '#domain/turn.js'
import type { ModelReply, ToolCall, TurnEvent } from '#domain/turn-events.js'
import { isOver } from '#domain/turn-steps.js'
import type { StreamEvent } from '#event-store/unit.js'
import type { ModelDelta } from './ports.js'
import { attemptOf } from './streamed-turns.js'

/** A call of a model: which step it is for, the how manieth it is, and the version that called for it. */
export interface Ask {
  readonly step: number
  readonly attempt: number
  /** Of the event behind which the model was asked. */
  readonly version: number
}

export interface RunEntry {
  readonly event: StreamEvent
  /** Of an answer: the call that it answers. */
  readonly answers: Ask | null
  /** The call that begins with this event although one before it had begun: what came of that is void. */
  readonly restarts: Ask | null
}

/** The beginning of an answer that is not committed yet. */
export interface Draft {
  readonly ask: Ask
  readonly reply: Pick<ModelReply, 'content' | 'reasoning' | 'tool_calls'>
}

/**
 * A turn as its readers in this process see it: its events from the first on, and the beginning of the
 * answer under way. They share it, and each knows how far it has read.
 */
export class RunLog {
  readonly entries: RunEntry[] = []
  readonly #readers = new Set<() => void>()
  #state: TurnState
  #ask: Ask | null = null
  #draft: { ask: Ask; parts: Map<number, ModelDelta>; next: number } | null = null
  #isRead = false

  constructor(readonly runId: string) {
    this.#state = initialTurn(runId)
  }

  get state(): TurnState {
    return this.#state
  }

  get version(): number {
    return this.#state.version
  }

  get isOver(): boolean {
    return isOver(this.#state)
  }

  /** Nothing more comes by itself: it has ended, or waits for an answer. */
  get isAtRest(): boolean {
    return this.isOver || this.#state.stopReason === 'requires_approval'
  }

  /** The call under way, as far as the log says. */
  get ask(): Ask | null {
    return this.#ask
  }

  /** The number the next batch of deltas must have. */
  get nextDelta(): number {
    return this.#draft?.next ?? 0
  }

  get draft(): Draft | null {
    if (!this.#draft) return null
    return { ask: this.#draft.ask, reply: drafted([...this.#draft.parts.values()]) }
  }

  /** Whether the events that were there when it was opened have been read. */
  get isRead(): boolean {
    return this.#isRead
  }

  learn(event: StreamEvent): void {
    if (event.version !== this.version + 1) return
    const before = this.#ask
    this.#state = evolveTurn(this.#state, event as Recorded<TurnEvent>)
    const step = this.#state.steps.at(-1)
    this.#ask = step && !step.reply && !this.isOver ? this.#askOf(step, event.version) : null
    const again = before && this.#ask?.step === before.step && this.#ask.attempt !== before.attempt
    this.entries.push({
      event,
      answers: event.type === 'ModelResponded' ? before : null,
      restarts: again ? this.#ask : null,
    })
    if (this.#draft && this.#draft.ask.version !== this.#ask?.version) this.#draft = null
  }

  /** Still the same, whatever else happens to the turn while the model is at it. */
  #askOf(state: StepState, version: number): Ask {
    const { step } = state
    const attempt = attemptOf(this.#state, state)
    const known = this.#ask
    return known?.step === step && known.attempt === attempt ? known : { step, attempt, version }
  }

  /** What is not the next batch of the call under way is passed over: it is old, or comes again. */
  hear(step: number, attempt: number, i: number, deltas: readonly ModelDelta[]): void {
    const ask = this.#ask
    if (ask?.step !== step || ask.attempt !== attempt || i !== this.nextDelta) return
    this.#draft ??= { ask, parts: new Map(), next: 0 }
    this.#draft.next += 1
    for (const delta of deltas) {
      const rank = rankOf(delta)
      const known = this.#draft.parts.get(rank)
      this.#draft.parts.set(rank, { ...delta, text: (known?.text ?? '') + delta.text })
    }
  }

  /** Resolves at the next news; false: there was none for so many milliseconds, or the signal was aborted. */
  news(signal: AbortSignal, idleMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve(false)
      const end = (hasNews: boolean): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', stop)
        this.#readers.delete(told)
        resolve(hasNews)
      }
      const told = (): void => end(true)
      const stop = (): void => end(false)
      const timer = setTimeout(stop, idleMs)
      signal.addEventListener('abort', stop)
      this.#readers.add(told)
    })
  }

  /** Wakes whoever waits for news. */
  tell(): void {
    this.#isRead = true
    for (const told of [...this.#readers]) told()
  }
}

/** Reasoning, then text, then the calls in their order. */
function rankOf(delta: ModelDelta): number {
  if (delta.part === 'call') return 2 + delta.index
  return delta.part === 'reasoning' ? 0 : 1
}

function drafted(parts: readonly ModelDelta[]): Draft['reply'] {
  const textOf = (part: ModelDelta['part']) =>
    parts.find((delta) => delta.part === part)?.text ?? null
  const tool_calls = parts.flatMap((delta): ToolCall[] =>
    delta.part === 'call'
      ? [{ tool_call_id: delta.id, name: delta.name, arguments: delta.text }]
      : [],
  )
  return { reasoning: textOf('reasoning'), content: textOf('content'), tool_calls }
}
