import { setTimeout as pause } from 'node:timers/promises'
import { ChangeTurn, type TurnChange } from '#commands/change-turn.js'
import type { Door } from '#commands/metadata.js'
import { RunToolStep, type ToolStep } from '#commands/run-tool-step.js'
import type { Actor } from '#domain/actor.js'
import { ERRORS } from '#domain/errors.js'
import type { Recorded } from '#domain/event.js'
import { evolveTurn, type TurnState } from '#domain/turn.js'
import type { TurnEvent } from '#domain/turn-events.js'
import type { KnownStreams } from '#event-store/known-streams.js'
import type { Verdict } from '#event-store/unit.js'
import type { Claim } from './mailbox.js'

/** Tries of one commit while the database is busy or away: what a model answered was paid for. */
const COMMIT_ATTEMPTS_MAX = 10
const COMMIT_PAUSE_MS = 500

/** Stops between two actions: what is recorded stays, the rest is done again by whoever resumes. */
export class Stopped extends Error {}
/** Somebody else has claimed the agent: nothing more may be written. */
export class Fenced extends Error {}
/** The database took no commit for as long as it was tried: no fault of the turn. */
export class NotCommitted extends Error {}

export interface JournalOptions {
  readonly execute: Door
  readonly streams: KnownStreams
  readonly workerId: string
  /** Named points after each commit, for tests that kill the process there. */
  readonly onCommit?: (point: string) => void
}

/** A tool call's commit: whose edit it is and how a repetition is recognised. */
export interface ToolCommit {
  readonly actor: Actor
  readonly fingerprint: Buffer
}

/**
 * A turn's stream as its runner keeps it: every commit names the claim, and the state here is
 * always the fold of what is committed.
 */
export class TurnJournal {
  #state!: TurnState

  constructor(
    private readonly options: JournalOptions,
    private readonly claim: Claim,
    readonly runId: string,
    private readonly signal: AbortSignal,
  ) {}

  get state(): TurnState {
    return this.#state
  }

  async read(): Promise<void> {
    const folded = await this.options.streams.fold(this.claim.tenantId, [this.runId])
    this.#state = folded.get(this.runId)?.state as TurnState
  }

  /** @throws Fenced, NotCommitted */
  async commit(change: TurnChange, point: string): Promise<void> {
    const { tenantId, agentId, epoch, owner } = this.claim
    const actor: Actor = { kind: 'system', id: this.options.workerId }
    const by = { tenantId, actor, epoch, owner, correlation: { run_id: this.runId, epoch } }
    const command = new ChangeTurn(this.runId, agentId, change, by)
    await this.#learn(await this.#settled(() => this.options.execute(command)), point)
  }

  /** @throws Fenced, NotCommitted */
  async commitTool(tool: ToolStep, by: ToolCommit, point: string): Promise<void> {
    const { tenantId, epoch, owner } = this.claim
    const { step, index, toolCallId: tool_call_id } = tool
    const command = new RunToolStep(tool, {
      tenantId,
      actor: by.actor,
      epoch,
      owner,
      correlation: { run_id: this.runId, step, tool_call_id, epoch },
      command: { id: `${this.runId}/${step}/${index}`, fingerprint: by.fingerprint },
    })
    await this.#learn(await this.#settled(() => this.options.execute(command)), point)
  }

  /** Asks again while the refusal is only for now. The commits of a turn may be repeated. */
  async #settled<T>(
    submit: () => Promise<Verdict<T>>,
  ): Promise<Extract<Verdict<T>, { status: 'ok' }>> {
    for (let attempt = 1; ; attempt++) {
      const verdict = await submit()
      if (verdict.status === 'ok') return verdict
      if (verdict.status === 'fenced') throw new Fenced()
      const { code, detail } = verdict.rejection
      if (!ERRORS[code].retry) throw new Error(`${code}: ${detail}`)
      if (attempt >= COMMIT_ATTEMPTS_MAX) throw new NotCommitted(`${code}: ${detail}`)
      await pause(COMMIT_PAUSE_MS, undefined, { signal: this.signal })
    }
  }

  async #learn(verdict: Extract<Verdict<unknown>, { status: 'ok' }>, point: string): Promise<void> {
    this.options.onCommit?.(point)
    const own = verdict.events.filter(({ streamId }) => streamId === this.runId)
    // Somebody else has written to it meanwhile: asked it to end, say.
    const follows = own[0]?.version === this.#state.version + 1
    if (verdict.replayed || !follows) return this.read()
    for (const event of own) {
      this.#state = evolveTurn(this.#state, event as Recorded<TurnEvent>)
    }
  }
}
