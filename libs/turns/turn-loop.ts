import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { ChangeTurn, type TurnChange } from '#commands/change-turn.js'
import type { Door } from '#commands/metadata.js'
import { RunToolStep } from '#commands/run-tool-step.js'
import type { Actor } from '#domain/actor.js'
import type { AgentState } from '#domain/agent.js'
import type { Recorded } from '#domain/event.js'
import type { CallState, StepState, TurnState } from '#domain/turn.js'
import { evolveTurn } from '#domain/turn.js'
import type { TurnEvent } from '#domain/turn-events.js'
import { type NextAction, nextAction } from '#domain/turn-steps.js'
import { foldStream } from '#event-store/stream-reader.js'
import type { Verdict } from '#event-store/unit.js'
import { TERMINAL_TOOLS } from './builtin-tools.js'
import type { Claim } from './mailbox.js'
import { type Model, ModelFailure, type ModelResponse, type Search } from './ports.js'
import { pauseBeforeRetry } from './retry.js'
import { prepareCall } from './tool-call.js'
import {
  type ContextSources,
  compileContext,
  modelRequest,
  PromptTooLong,
  requested,
  type TurnContext,
} from './turn-context.js'

/** How a run of the loop ended: the turn is over, somebody else has the agent, or this worker stops. */
export type LoopEnd = 'over' | 'fenced' | 'stopped'

export interface TurnLoopOptions extends ContextSources {
  readonly execute: Door
  readonly model: Model
  readonly search: Search
  readonly workerId: string
  /** Named points after each commit, for tests that kill the process there. */
  readonly onCommit?: (point: string) => void
}

/** Stops between two actions: what is recorded stays, the rest is done again by whoever resumes. */
class Stopped extends Error {}
class Fenced extends Error {}

/**
 * Runs one turn from wherever its journal stands. The next action is a pure function of the journal:
 * what is recorded is never done again, and every commit names the claim's epoch.
 */
export class TurnLoop {
  constructor(private readonly options: TurnLoopOptions) {}

  async run(
    claim: Claim,
    turn: { runId: string; seq: number },
    signal: AbortSignal,
  ): Promise<LoopEnd> {
    const run = new TurnRun(this.options, claim, turn, signal)
    try {
      await run.toTheEnd()
      return 'over'
    } catch (error) {
      if (error instanceof Fenced) return 'fenced'
      if (error instanceof Stopped || signal.aborted) return 'stopped'
      throw error
    }
  }
}

class TurnRun {
  #state!: TurnState
  #context: TurnContext | null = null

  constructor(
    private readonly options: TurnLoopOptions,
    private readonly claim: Claim,
    private readonly turn: { runId: string; seq: number },
    private readonly signal: AbortSignal,
  ) {}

  async toTheEnd(): Promise<void> {
    await this.#reload()
    for (;;) {
      if (this.signal.aborted) throw new Stopped()
      const action = nextAction(this.#state, this.claim.epoch)
      if (action.do === 'nothing') return
      await this.#perform(action)
    }
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
    const first = requested(this.options, context, 1, context.seen, [])
    await this.#commit({ type: 'StartTurn', workerId: this.options.workerId, first }, 'started')
  }

  /** The prompt is compiled once; a prompt that cannot fit ends the turn. */
  async #compile(): Promise<TurnContext | null> {
    try {
      this.#context ??= await compileContext(
        this.options,
        this.claim.tenantId,
        this.#state,
        this.turn.seq,
      )
      return this.#context
    } catch (error) {
      if (!(error instanceof PromptTooLong)) throw error
      await this.#fail(
        'ContextOverflow',
        error.message,
        'context_window_overflow_in_system_prompt',
        {
          tokens: error.tokens,
          context_window: error.window,
        },
      )
      return null
    }
  }

  async #ask(step: StepState): Promise<void> {
    const context = await this.#compile()
    if (!context) return
    const earlier = this.#state.steps.filter((s) => s.step < step.step)
    const asked = Date.now()
    let response: ModelResponse
    try {
      response = await this.options.model.respond(modelRequest(context, earlier), this.signal)
    } catch (error) {
      if (this.signal.aborted || !(error instanceof ModelFailure)) throw error
      return this.#askAgain(step, error)
    }
    const { content, reasoning, toolCalls, finishReason, usage } = response
    await this.#commit(
      {
        type: 'RecordReply',
        payload: {
          step: step.step,
          response: {
            content,
            reasoning,
            tool_calls: toolCalls.map((call) => ({
              tool_call_id: call.id,
              name: call.name,
              arguments: call.arguments,
            })),
            finish_reason: finishReason,
          },
          usage,
          latency_ms: Date.now() - asked,
          provider_response_id: response.providerResponseId,
          ...(response.simulated ? { simulated: true as const } : {}),
          ...(response.repaired ? { repaired: true as const } : {}),
        },
      },
      'responded',
    )
  }

  async #askAgain(step: StepState, failure: ModelFailure): Promise<void> {
    const attempt = step.retries + 1
    const pauseMs = pauseBeforeRetry(failure, attempt, Math.random())
    const { provider, upstreamStatus, retryAfterMs } = failure.detail
    if (pauseMs === null) {
      const facts = {
        provider,
        upstream_status: upstreamStatus,
        retry_after_ms: retryAfterMs,
        attempts: attempt,
      }
      return this.#fail(failure.failureClass, failure.message, 'llm_api_error', facts)
    }
    const notBefore = new Date(Date.now() + pauseMs).toISOString()
    const { failureClass } = failure
    await this.#commit(
      { type: 'ScheduleRetry', step: step.step, failureClass, attempt, notBefore },
      'retry scheduled',
    )
    await sleep(pauseMs, undefined, { signal: this.signal })
  }

  async #fail(
    failureClass: string,
    detail: string,
    stop_reason: 'llm_api_error' | 'context_window_overflow_in_system_prompt',
    facts: Record<string, unknown>,
  ): Promise<void> {
    const failure = { class: failureClass, retriable: false, detail, stop_reason, facts }
    await this.#commit({ type: 'FailTurn', failure }, 'failed')
  }

  /** Calls that only read run together, then the rest in order. */
  async #call(step: StepState, calls: readonly CallState[]): Promise<void> {
    const parallel = calls.filter((call) => PARALLEL_TOOLS.has(call.name))
    if (parallel.length > 0) {
      const ends = await Promise.allSettled(parallel.map((call) => this.#runCall(step, call)))
      await this.#reload()
      const failed = ends.find((end) => end.status === 'rejected')
      if (failed) throw failed.reason
      return
    }
    await this.#runCall(step, calls[0] as CallState)
  }

  async #runCall(step: StepState, call: CallState): Promise<void> {
    const context = await this.#compile()
    if (!context) return
    const { tenantId, agentId, epoch } = this.claim
    const { reads, db, search, key } = this.options
    const agent = (await foldStream(reads, tenantId, agentId)).state as AgentState
    const prepared = await prepareCall(call, agent, {
      db,
      search,
      tenantId,
      agentId,
      now: new Date(),
      signal: this.signal,
    })
    if (this.signal.aborted) throw new Stopped()
    const earlier = this.#state.steps.filter((s) => s.step < step.step)
    const tool = {
      runId: this.turn.runId,
      agentId,
      step: step.step,
      index: call.index,
      toolCallId: call.tool_call_id,
      edit: prepared.edit,
      describe: prepared.describe,
      terminal: TERMINAL_TOOLS,
      request: (next: number, seen: StepState['seen'], withReturn: StepState) =>
        requested({ reads, db, key }, context, next, seen, [...earlier, withReturn]),
    }
    const verdict = await this.options.execute(
      new RunToolStep(tool, {
        tenantId,
        actor: actorOf(agent),
        epoch,
        baseVersion: prepared.edit ? (step.seen[prepared.edit.blockId] ?? null) : null,
        correlation: {
          run_id: this.turn.runId,
          step: step.step,
          tool_call_id: call.tool_call_id,
          epoch,
        },
        command: {
          id: `${this.turn.runId}/${step.step}/${call.index}`,
          fingerprint: createHash('sha256')
            .update(JSON.stringify([call.name, call.arguments]))
            .digest(),
        },
      }),
    )
    await this.#learn(verdict, 'returned')
  }

  async #commit(change: TurnChange, point: string): Promise<void> {
    const { tenantId, agentId, epoch } = this.claim
    const { runId } = this.turn
    const actor: Actor = { kind: 'system', id: this.options.workerId }
    const by = { tenantId, actor, epoch, correlation: { run_id: runId, epoch } }
    await this.#learn(await this.options.execute(new ChangeTurn(runId, agentId, change, by)), point)
  }

  async #learn(verdict: Verdict<unknown>, point: string): Promise<void> {
    if (verdict.status === 'fenced') throw new Fenced()
    if (verdict.status === 'rejected')
      throw new Error(`${verdict.rejection.code}: ${verdict.rejection.detail}`)
    this.options.onCommit?.(point)
    if (verdict.replayed || verdict.events.length === 0) return this.#reload()
    for (const event of verdict.events) {
      if (event.streamId !== this.turn.runId || event.version !== this.#state.version + 1) continue
      this.#state = evolveTurn(this.#state, event as Recorded<TurnEvent>)
    }
  }

  async #reload(): Promise<void> {
    const { state } = await foldStream(this.options.reads, this.claim.tenantId, this.turn.runId)
    this.#state = state as TurnState
  }
}

/** Tools without effects, whose calls of one step may run side by side. */
const PARALLEL_TOOLS: ReadonlySet<string> = new Set(['web_search', 'conversation_search'])

function actorOf(agent: AgentState): Actor {
  return { kind: 'agent', id: agent.id, name: agent.settings.name }
}
