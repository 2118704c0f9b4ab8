import { classify } from '#event-store/fault.js'
import type { Claim, WaitingTurn } from './mailbox.js'
import { Fenced, NotCommitted, Stopped, TurnJournal } from './turn-journal.js'
import { TurnLoop, type TurnLoopOptions } from './turn-loop.js'

/** How a run ended: the turn is over or waits, somebody else has the agent, or this worker stops. */
export type RunEnd = 'over' | 'parked' | 'fenced' | 'stopped'

/** The turns this worker is at. */
export class RunningTurns {
  readonly #loops = new Map<string, TurnLoop>()

  constructor(private readonly options: TurnLoopOptions) {}

  /** Breaks off what a turn is waiting for: its journal says that it is to end. */
  interrupt(runId: string): void {
    this.#loops.get(runId)?.interrupt()
  }

  /** @throws what went wrong, when it was neither the model nor a tool: the turn is to be tried again. */
  async run(claim: Claim, turn: WaitingTurn, signal: AbortSignal): Promise<RunEnd> {
    const journal = new TurnJournal(this.options, claim, turn.runId, signal)
    const loop = new TurnLoop(this.options, claim, turn, signal, journal)
    const stop = (): void => loop.interrupt()
    signal.addEventListener('abort', stop)
    this.#loops.set(turn.runId, loop)
    try {
      await loop.toTheEnd()
      return journal.state.status === 'parked' ? 'parked' : 'over'
    } catch (error) {
      if (error instanceof Fenced) return 'fenced'
      if (error instanceof Stopped || signal.aborted) return 'stopped'
      if (isFaultOfTurn(error)) await this.#countStart(journal)
      throw error
    } finally {
      signal.removeEventListener('abort', stop)
      this.#loops.delete(turn.runId)
    }
  }

  /** Whatever broke counts as a start, so that a turn that can never begin is dead-lettered too. */
  async #countStart(journal: TurnJournal): Promise<void> {
    const change = { type: 'StartTurn', workerId: this.options.workerId, first: null } as const
    await journal.commit(change, 'start counted').catch(() => {})
  }
}

/** False while the database is only busy or away: that must not wear a turn's attempts out. */
function isFaultOfTurn(error: unknown): boolean {
  if (error instanceof NotCommitted) return false
  const fault = classify(error)
  return fault === 'bug' || fault === 'duplicate'
}
