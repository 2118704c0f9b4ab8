import { awaitsRequest, type CompactionState } from '#domain/compaction.js'
import type { CallState, StepState, TurnState } from '#domain/turn.js'
import { hasOverflowed } from '#domain/turn-compaction.js'
import {
  type CompactionPayload,
  type NextAction,
  nextAction,
  type RequestedPayload,
} from '#domain/turn-steps.js'
import { PARALLEL_TOOLS } from './builtin-tools.js'
import type { Claim, WaitingTurn } from './mailbox.js'
import type { ModelBreakers } from './model-breakers.js'
import { ModelCalls } from './model-calls.js'
import { afterFailure, replyPayload } from './model-outcome.js'
import type { Model, ModelFailure, Search } from './ports.js'
import type { StreamedTurns } from './streamed-turns.js'
import { toolStep } from './tool-step.js'
import { compactionOf, summaryPayload, summaryRequest } from './turn-compaction.js'
import {
  type ContextSources,
  compileContext,
  type Heads,
  modelRequest,
  PromptTooLong,
  readHeads,
  requested,
  type TurnContext,
} from './turn-context.js'
import {
  Fenced,
  type JournalOptions,
  NotCommitted,
  Stopped,
  type TurnJournal,
} from './turn-journal.js'

/** The longest a timer can wait. */
const TIMER_MS_MAX = 2 ** 31 - 1

export interface TurnLoopOptions extends Omit<ContextSources, 'streams'>, JournalOptions {
  readonly model: Model
  readonly search: Search
  readonly breakers: ModelBreakers
  readonly streamed: StreamedTurns
  /** Aborted when the worker is to end: the step that is under way is finished, and none is begun. */
  readonly draining?: AbortSignal
}

type FailureReason = 'error' | 'llm_api_error' | 'context_window_overflow_in_system_prompt'

/**
 * One turn from wherever its journal stands. The next action is a pure function of the journal:
 * what is recorded is never done again, and every commit names the claim's epoch.
 */
export class TurnLoop {
  #context: TurnContext | null = null
  /** Read with the turn, for its first request alone. */
  #heads: Heads | null = null
  /** Aborted when what the turn waits for is no longer wanted. */
  #waiting = new AbortController()
  readonly #calls: ModelCalls

  constructor(
    private readonly options: TurnLoopOptions,
    private readonly claim: Claim,
    private readonly turn: WaitingTurn,
    private readonly signal: AbortSignal,
    private readonly journal: TurnJournal,
  ) {
    this.#calls = new ModelCalls(options, claim.tenantId, journal)
  }

  /** Breaks off what the turn is waiting for: its journal says that it is to end. */
  interrupt(): void {
    this.#waiting.abort()
  }

  /** @throws Fenced, Stopped, NotCommitted, and what went wrong beside them. */
  async toTheEnd(): Promise<void> {
    await this.#read()
    const { deadline } = this.#state
    const leftMs = deadline === null ? TIMER_MS_MAX : Date.parse(deadline) - Date.now()
    const expiry = setTimeout(() => this.interrupt(), Math.min(leftMs, TIMER_MS_MAX))
    try {
      await this.#steps()
    } finally {
      clearTimeout(expiry)
    }
  }

  /** A new turn is read together with what its prompt is made of. */
  async #read(): Promise<void> {
    const { tenantId, agentId } = this.claim
    const { streams } = this.options
    const heads = this.turn.isNew ? readHeads(streams, tenantId, agentId) : null
    const [, read] = await Promise.all([this.journal.read(), heads])
    this.#heads = read
  }

  async #steps(): Promise<void> {
    for (;;) {
      if (this.signal.aborted) throw new Stopped()
      const action = nextAction(this.#state, this.claim.epoch, new Date().toISOString())
      if (action.do === 'nothing') return
      const begins = ['ask', 'start', 'compact'].includes(action.do)
      if (begins && this.options.draining?.aborted) throw new Stopped()
      const { version } = this.#state
      if (await this.#interruptible(() => this.#perform(action))) continue
      // Every action is recorded: one that is not would be done again for ever.
      if (this.#state.version === version) {
        throw new Error(`${this.journal.runId} stands still at version ${version}`)
      }
    }
  }

  /** True when the action was broken off: the journal, or the time, has something else to do. */
  async #interruptible(perform: () => Promise<void>): Promise<boolean> {
    try {
      await perform()
      return false
    } catch (error) {
      if (this.signal.aborted || !this.#waiting.signal.aborted) throw error
      if (error instanceof Fenced || error instanceof NotCommitted) throw error
      this.#waiting = new AbortController()
      await this.journal.read()
      return true
    }
  }

  get #state(): TurnState {
    return this.journal.state
  }

  async #perform(action: Exclude<NextAction, { do: 'nothing' }>): Promise<void> {
    switch (action.do) {
      case 'start':
        return this.#start()
      case 'cancel':
        return this.journal.commit({ type: 'CancelTurn' }, 'cancelled')
      case 'expire':
        return this.journal.commit({ type: 'ExpireTurn' }, 'failed')
      case 'compact':
        return this.#compact(action.compaction)
      case 'ask':
        return this.#ask(action.step)
      case 'call':
        return this.#call(action.step, action.calls)
    }
  }

  /** A turn that waits for what it asked is taken up at once, and its prompt is compiled behind that. */
  async #start(): Promise<void> {
    if (!awaitsRequest(this.#state)) return this.#begin(null)
    const context = await this.#compile()
    if (!context) return
    const { agent } = context
    const asked = this.#state.steps.at(-1)
    if (agent.deleted) {
      const detail = `Agent ${agent.id} was deleted before its turn began`
      return this.#fail('NotFound', detail, 'error', { agent_id: agent.id })
    }
    const { step, seen, delta } = asked ?? { step: 1, seen: context.seen, delta: null }
    const before = asked ? this.#before(asked) : []
    const first = requested(this.options, context, step, seen, before, delta)
    const compaction = context.history.omitted > 0 ? compactionOf(context, step, 'window') : null
    await this.#begin(first, compaction)
  }

  async #begin(
    first: RequestedPayload | null,
    compaction?: CompactionPayload | null,
  ): Promise<void> {
    const { workerId } = this.options
    const more = compaction && { compaction }
    await this.journal.commit({ type: 'StartTurn', workerId, first, ...more }, 'started')
  }

  /** The prompt is compiled once; a prompt that cannot fit ends the turn. */
  async #compile(): Promise<TurnContext | null> {
    try {
      const { tenantId } = this.claim
      const heads = this.#heads
      this.#heads = null
      this.#context ??= await compileContext(
        this.options,
        tenantId,
        this.#state,
        this.turn.seq,
        heads,
      )
      return this.#context
    } catch (error) {
      if (!(error instanceof PromptTooLong)) throw error
      const { message, tokens, window } = error
      const reason = 'context_window_overflow_in_system_prompt'
      await this.#fail('ContextOverflow', message, reason, { tokens, context_window: window })
      return null
    }
  }

  async #ask(step: StepState): Promise<void> {
    const context = await this.#compile()
    if (!context) return
    const request = modelRequest(context, this.#before(step), step.delta)
    const { model, streamed } = this.options
    const { tenantId } = this.claim
    const { signal } = this.#waiting
    const end = await this.#calls.ask(step.notBefore, context, request, signal, () =>
      streamed.ask(model, tenantId, this.#state, step, request, signal),
    )
    if (!end) return
    if ('failure' in end) return this.#failed(step, end.failure, context)
    const payload = replyPayload(step, end.response, end.latencyMs)
    await this.journal.commit({ type: 'RecordReply', payload }, 'responded')
  }

  /** A request that the provider finds too long makes room once: then older messages give way. */
  async #failed(
    { step, retries }: Pick<StepState, 'step' | 'retries'>,
    failure: ModelFailure,
    context?: TurnContext,
  ): Promise<void> {
    if (context && failure.failureClass === 'ContextOverflow' && !hasOverflowed(this.#state)) {
      const payload = compactionOf(context, step, 'overflow')
      if (payload) {
        this.#context = null
        return this.journal.commit({ type: 'RequestCompaction', payload }, 'compaction requested')
      }
    }
    const change = afterFailure({ step, retries }, failure, Math.random(), Date.now())
    const point = change.type === 'FailTurn' ? 'failed' : 'retry scheduled'
    await this.journal.commit(change, point)
  }

  async #compact(compaction: CompactionState): Promise<void> {
    const context = await this.#compile()
    if (!context) return
    const { steps } = this.#state
    const request = summaryRequest(context, compaction, steps)
    const { signal } = this.#waiting
    const end = await this.#calls.ask(compaction.notBefore, context, request, signal, () =>
      this.options.model.respond(request, signal),
    )
    if (!end) return
    const made = 'failure' in end ? end : summaryPayload(compaction, end.response, end.latencyMs)
    if ('failure' in made) return this.#failed(compaction, made.failure)
    this.#context = null
    await this.journal.commit({ type: 'RecordSummary', payload: made }, 'compacted')
  }

  async #fail(
    failureClass: string,
    detail: string,
    stop_reason: FailureReason,
    facts: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    const failure = { class: failureClass, retriable: false, detail, stop_reason, facts }
    await this.journal.commit({ type: 'FailTurn', failure }, 'failed')
  }

  /** Calls that only read run together, then the rest in order. */
  async #call(step: StepState, calls: readonly CallState[]): Promise<void> {
    const parallel = calls.filter((call) => PARALLEL_TOOLS.has(call.name))
    if (parallel.length === 0) return this.#runCall(step, calls[0] as CallState)
    const ends = await Promise.allSettled(parallel.map((call) => this.#runCall(step, call)))
    await this.journal.read()
    const failures = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []))
    if (failures.length > 0) throw failures.find((error) => error instanceof Fenced) ?? failures[0]
  }

  async #runCall(step: StepState, call: CallState): Promise<void> {
    const context = await this.#compile()
    if (!context) return
    const { signal } = this.#waiting
    const at = { context, step, before: this.#before(step), call, runId: this.journal.runId }
    const { tool, by } = await toolStep(this.options, this.claim, at, signal)
    if (signal.aborted) throw new Stopped()
    await this.journal.commitTool(tool, by, 'returned')
  }

  #before(step: StepState): StepState[] {
    return this.#state.steps.filter((s) => s.step < step.step)
  }
}
