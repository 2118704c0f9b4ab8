import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Actor } from '#domain/actor.js'
import type { AgentState } from '#domain/agent.js'
import type { BlockState } from '#domain/block-state.js'
import type { CallState, StepState, TurnState } from '#domain/turn.js'
import { type NextAction, nextAction } from '#domain/turn-steps.js'
import { classify } from '#event-store/fault.js'
import { foldStream } from '#event-store/stream-reader.js'
import { derivedId } from '#read-models/derived-id.js'
import { PARALLEL_TOOLS, terminalTools } from './builtin-tools.js'
import type { Claim } from './mailbox.js'
import { memoryDelta, toldVersions } from './memory-delta.js'
import { movedBlocks } from './moved-blocks.js'
import { type Model, ModelFailure, type ModelResponse, type Search } from './ports.js'
import { PAUSE_MS_MAX, PAUSE_MS_MIN, pauseBeforeRetry } from './retry.js'
import { prepareCall } from './tool-call.js'
import {
  type ContextSources,
  compileContext,
  modelRequest,
  PromptTooLong,
  requested,
  type TurnContext,
} from './turn-context.js'
import { Fenced, type JournalOptions, NotCommitted, Stopped, TurnJournal } from './turn-journal.js'

/** How a run of the loop ended: the turn is over, somebody else has the agent, or this worker stops. */
export type LoopEnd = 'over' | 'fenced' | 'stopped'

export interface TurnLoopOptions extends ContextSources, JournalOptions {
  readonly model: Model
  readonly search: Search
  /** Aborted when the worker is to end: the step that is under way is finished, and none is begun. */
  readonly draining?: AbortSignal
}

type FailureReason = 'error' | 'llm_api_error' | 'context_window_overflow_in_system_prompt'

/**
 * Runs one turn from wherever its journal stands. The next action is a pure function of the journal:
 * what is recorded is never done again, and every commit names the claim's epoch.
 */
export class TurnLoop {
  constructor(private readonly options: TurnLoopOptions) {}

  /** @throws what went wrong, when it was neither the model nor a tool: the turn is to be tried again. */
  async run(
    claim: Claim,
    turn: { runId: string; seq: number },
    signal: AbortSignal,
  ): Promise<LoopEnd> {
    const journal = new TurnJournal(this.options, claim, turn.runId, signal)
    try {
      await new TurnRun(this.options, claim, turn.seq, signal, journal).toTheEnd()
      return 'over'
    } catch (error) {
      if (error instanceof Fenced) return 'fenced'
      if (error instanceof Stopped || signal.aborted) return 'stopped'
      if (isFaultOfTurn(error)) await this.#countStart(journal)
      throw error
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

class TurnRun {
  #context: TurnContext | null = null
  #pausedMs = PAUSE_MS_MIN

  constructor(
    private readonly options: TurnLoopOptions,
    private readonly claim: Claim,
    private readonly seq: number,
    private readonly signal: AbortSignal,
    private readonly journal: TurnJournal,
  ) {}

  async toTheEnd(): Promise<void> {
    await this.journal.read()
    for (;;) {
      if (this.signal.aborted) throw new Stopped()
      const action = nextAction(this.#state, this.claim.epoch)
      if (action.do === 'nothing') return
      if (this.options.draining?.aborted && action.do !== 'call') throw new Stopped()
      const { version } = this.#state
      await this.#perform(action)
      // Every action is recorded: one that is not would be done again for ever.
      if (this.#state.version === version) {
        throw new Error(`${this.journal.runId} stands still at version ${version}`)
      }
    }
  }

  get #state(): TurnState {
    return this.journal.state
  }

  async #perform(action: Exclude<NextAction, { do: 'nothing' }>): Promise<void> {
    switch (action.do) {
      case 'start':
        return this.#start()
      case 'ask':
        return this.#ask(action.step)
      case 'call':
        return this.#call(action.step, action.calls)
    }
  }

  async #start(): Promise<void> {
    const context = await this.#compile()
    if (!context) return
    const { agent } = context
    if (agent.deleted) {
      const detail = `Agent ${agent.id} was deleted before its turn began`
      return this.#fail('NotFound', detail, 'error', { agent_id: agent.id })
    }
    const first = requested(this.options, context, 1, context.seen, [])
    const { workerId } = this.options
    await this.journal.commit({ type: 'StartTurn', workerId, first }, 'started')
  }

  /** The prompt is compiled once; a prompt that cannot fit ends the turn. */
  async #compile(): Promise<TurnContext | null> {
    try {
      const { tenantId } = this.claim
      this.#context ??= await compileContext(this.options, tenantId, this.#state, this.seq)
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
    await this.#untilDue(step)
    const asked = Date.now()
    let response: ModelResponse
    try {
      const request = modelRequest(context, this.#before(step), step.delta)
      response = await this.options.model.respond(request, this.signal)
    } catch (error) {
      if (this.signal.aborted || !(error instanceof ModelFailure)) throw error
      return this.#askAgain(step, error)
    }
    const payload = replyPayload(step, response, Date.now() - asked)
    await this.journal.commit({ type: 'RecordReply', payload }, 'responded')
  }

  /** A pause stands in the journal, so whoever resumes keeps to it; no clock can stretch it. */
  async #untilDue({ notBefore }: StepState): Promise<void> {
    const leftMs = notBefore === null ? 0 : Date.parse(notBefore) - Date.now()
    if (leftMs <= 0) return
    const { draining } = this.options
    const signal = draining ? AbortSignal.any([this.signal, draining]) : this.signal
    await sleep(Math.min(leftMs, PAUSE_MS_MAX), undefined, { signal }).catch(() => {
      throw new Stopped()
    })
  }

  async #askAgain({ step, retries }: StepState, failure: ModelFailure): Promise<void> {
    const attempt = retries + 1
    const { failureClass } = failure
    const pauseMs = pauseBeforeRetry(failure, attempt, this.#pausedMs, Math.random())
    const { provider, upstreamStatus, retryAfterMs } = failure.detail
    if (pauseMs === null) {
      const upstream = { upstream_status: upstreamStatus, retry_after_ms: retryAfterMs }
      const facts = { provider, ...upstream, attempts: attempt }
      return this.#fail(failureClass, failure.message, 'llm_api_error', facts)
    }
    this.#pausedMs = pauseMs
    const not_before = new Date(Date.now() + pauseMs).toISOString()
    const payload = { step, class: failureClass, attempt, not_before }
    await this.journal.commit({ type: 'ScheduleRetry', payload }, 'retry scheduled')
  }

  async #fail(
    failureClass: string,
    detail: string,
    stop_reason: FailureReason,
    facts: Record<string, unknown>,
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
    const { tenantId, agentId } = this.claim
    const { reads, db, search } = this.options
    const agent = (await foldStream(reads, tenantId, agentId)).state as AgentState
    const { signal } = this
    const newBlockId = (n: number) =>
      derivedId('block', tenantId, this.journal.runId, step.step, call.index, n)
    const sources = { db, search, tenantId, agentId, now: new Date(), signal, newBlockId }
    const actor: Actor = { kind: 'agent', id: agent.id, name: agent.settings.name }
    const { edits, describe } = await prepareCall(call, agent, sources)
    const moved = agent.settings.memory_updates ? await this.#moved(step) : []
    if (signal.aborted) throw new Stopped()
    const before = this.#before(step)
    const tool = {
      runId: this.journal.runId,
      agentId,
      step: step.step,
      index: call.index,
      toolCallId: call.tool_call_id,
      edits: edits.map((edit) => ({ ...edit, baseVersion: step.seen[edit.blockId] ?? null })),
      describe,
      terminal: terminalTools(agent.settings.agent_type),
      request: (next: number, seen: StepState['seen'], withReturn: StepState) => {
        const steps = [...before, withReturn]
        const news = memoryDelta(moved, seen, steps, actor, this.journal.runId)
        return requested(this.options, context, next, news.seen, steps, news.delta)
      },
    }
    const called = JSON.stringify([call.name, call.arguments])
    const fingerprint = createHash('sha256').update(called).digest()
    await this.journal.commitTool(tool, { actor, fingerprint }, 'returned')
  }

  /** Read just before the commit that asks the model again: what comes later is told at the next step. */
  #moved(step: StepState): Promise<BlockState[]> {
    const told = toldVersions([...this.#before(step), step])
    const known = Object.entries(step.seen).map(
      ([id, version]) => [id, Math.max(version, told[id] ?? 0)] as const,
    )
    return movedBlocks(this.options.reads, this.claim.tenantId, Object.fromEntries(known))
  }

  #before(step: StepState): StepState[] {
    return this.#state.steps.filter((s) => s.step < step.step)
  }
}

function replyPayload({ step }: StepState, response: ModelResponse, latency_ms: number) {
  const { content, reasoning, toolCalls, finishReason, usage, providerResponseId } = response
  const tool_calls = toolCalls.map(({ id, name, arguments: args }) => ({
    tool_call_id: id,
    name,
    arguments: args,
  }))
  return {
    step,
    response: { content, reasoning, tool_calls, finish_reason: finishReason },
    usage,
    latency_ms,
    provider_response_id: providerResponseId,
    ...(response.simulated ? { simulated: true as const } : {}),
    ...(response.repaired ? { repaired: true as const } : {}),
  }
}
