import { setTimeout as sleep } from 'node:timers/promises'
import { type CallLeave, type ModelBreakers, outcomeOf } from './model-breakers.js'
import { PAUSE_HELD_MS_MAX } from './model-outcome.js'
import { type Model, ModelFailure, type ModelRequest, type ModelResponse } from './ports.js'
import { PAUSE_MS_MAX } from './retry.js'
import { overBudget } from './token-budget.js'
import type { ContextSources, TurnContext } from './turn-context.js'
import { Stopped, type TurnJournal } from './turn-journal.js'

/** What a call came to; null: the journal says what is done instead. */
export type CallEnd =
  | { readonly response: ModelResponse; readonly latencyMs: number }
  | { readonly failure: ModelFailure }
  | null

export interface ModelCallsOptions extends ContextSources {
  readonly model: Model
  readonly breakers: ModelBreakers
  readonly draining?: AbortSignal
}

/** The calls of a turn's model, with all that may hold one up: a pause, a budget, a limited provider. */
export class ModelCalls {
  constructor(
    private readonly options: ModelCallsOptions,
    private readonly tenantId: string,
    private readonly journal: TurnJournal,
  ) {}

  /** @param waiting aborted when the call is no longer wanted; it then rejects. */
  async ask(
    notBefore: string | null,
    context: TurnContext,
    request: ModelRequest,
    waiting: AbortSignal,
    respond: () => Promise<ModelResponse>,
  ): Promise<CallEnd> {
    await this.#untilDue(notBefore, waiting)
    const { db, breakers } = this.options
    const over = await overBudget(db, this.tenantId, this.journal.state, context, request)
    if (over) {
      const { detail, facts } = over
      const ended = { retriable: false, stop_reason: 'max_tokens_exceeded' as const }
      const failure = { class: 'Budget.Tokens', detail, facts, ...ended }
      return this.journal.commit({ type: 'FailTurn', failure }, 'failed').then(() => null)
    }
    const leave = await this.#leave(context, waiting)
    if (!leave) return null
    const asked = Date.now()
    try {
      const response = await respond()
      await breakers.settle(leave, { type: 'answered' })
      return { response, latencyMs: Date.now() - asked }
    } catch (error) {
      const failed = !waiting.aborted && error instanceof ModelFailure
      await breakers.settle(leave, failed ? outcomeOf(error) : { type: 'abandoned' })
      if (!failed) throw error
      return { failure: error }
    }
  }

  /** While others find the provider limited the turn waits: that is none of its own attempts. */
  async #leave({ model }: TurnContext, waiting: AbortSignal): Promise<CallLeave | null> {
    const limitedAs = this.options.model.route(model)?.limitedAs ?? null
    let leave = await this.options.breakers.admit(limitedAs)
    if ('waitMs' in leave && leave.waitMs <= PAUSE_HELD_MS_MAX) {
      await sleep(leave.waitMs, undefined, { signal: waiting })
      leave = await this.options.breakers.admit(limitedAs)
    }
    if (!('waitMs' in leave)) return leave
    const until = new Date(Date.now() + leave.waitMs).toISOString()
    const parked = { reason: 'model_breaker', until } as const
    return this.journal.commit({ type: 'ParkTurn', parked }, 'parked').then(() => null)
  }

  /** A pause stands in the journal, so whoever resumes keeps to it; no clock can stretch it. */
  async #untilDue(notBefore: string | null, waiting: AbortSignal): Promise<void> {
    const leftMs = notBefore === null ? 0 : Date.parse(notBefore) - Date.now()
    if (leftMs <= 0) return
    const { draining } = this.options
    const signal = draining ? AbortSignal.any([waiting, draining]) : waiting
    await sleep(Math.min(leftMs, PAUSE_MS_MAX), undefined, { signal }).catch((error) => {
      throw draining?.aborted ? new Stopped() : error
    })
  }
}
