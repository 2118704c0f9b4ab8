import { setTimeout as sleep } from 'node:timers/promises'
import { Body, Controller, Inject, Param, Post, Req, Res } from '@nestjs/common'
import { CommandBus } from '@nestjs/cqrs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Database } from '#postgres/database.js'
import { type RunResult, runResult } from '#read-models/run-result.js'
import { getRun } from '#read-models/runs.js'
import type { Doorbell } from '#turns/ports.js'
import type { TurnWaiters } from '#turns/turn-waiters.js'
import type { Exchange } from './block-change.js'
import { CallbackTargets } from './callback-targets.js'
import { isLegacyClient } from './http/client-version.js'
import { type Drip, DrippingReply } from './http/dripping-reply.js'
import { pathId } from './http/path-id.js'
import { Problem } from './http/problem.js'
import { zodBody } from './http/validation.js'
import { RunStreams } from './run-streams.js'
import { TENANT } from './tenant.js'
import { DATABASE, DOORBELL, DRIP, TURN_WAITERS } from './tokens.js'
import { type Intake, takeIn } from './turn-intake.js'
import { renderLettaResponse } from './wire/letta-response-wire.js'
import { type TurnRequest, turnRequest } from './wire/message-create-wire.js'
import { RUN_BEGIN } from './wire/run-cursor.js'
import { renderRun } from './wire/run-wire.js'

const READ_AGAIN_MS = 500

/** Messages to an agent: each is a turn in its mailbox. A dropped connection never cancels one. */
@Controller('v1/agents/:agent_id/messages')
export class TurnsController {
  constructor(
    readonly commands: CommandBus,
    @Inject(DATABASE) readonly db: Database,
    @Inject(DOORBELL) readonly doorbell: Doorbell,
    @Inject(TURN_WAITERS) private readonly waiters: TurnWaiters,
    @Inject(DRIP) private readonly drip: Drip,
    private readonly streams: RunStreams,
    private readonly callbacks: CallbackTargets,
  ) {}

  /** Waits until the turn ends, or waits for an answer itself; or tells how it goes. */
  @Post()
  async send(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param('agent_id', pathId('agent')) agentId: string,
    @Body(zodBody(turnRequest('send'))) turn: TurnRequest,
  ): Promise<void> {
    if (turn.stream) {
      if (isLegacyClient(request)) throw streamingNotHere()
      return this.#stream({ request, reply }, agentId, turn)
    }
    const intake = await this.#takeIn({ request, reply }, agentId, turn)
    const answer = new DrippingReply(reply, this.drip)
    try {
      await this.#answer(intake, answer)
    } finally {
      answer.leave()
    }
  }

  @Post('stream')
  async stream(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param('agent_id', pathId('agent')) agentId: string,
    @Body(zodBody(turnRequest('stream'))) turn: TurnRequest,
  ): Promise<void> {
    return this.#stream({ request, reply }, agentId, turn)
  }

  /** Answers at once; the run tells how it went. */
  @Post('async')
  async start(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('agent_id', pathId('agent')) agentId: string,
    @Body(zodBody(turnRequest('async'))) turn: TurnRequest,
  ): Promise<object> {
    await this.callbacks.check(turn.options.callback_url)
    const { runId, joined } = await takeIn(this, request, agentId, turn)
    if (joined) reply.header('x-run-joined', runId)
    return renderRun(there(runId, await getRun(this.db, TENANT, runId)))
  }

  async #takeIn({ request, reply }: Exchange, agentId: string, turn: TurnRequest): Promise<Intake> {
    const intake = await takeIn(this, request, agentId, turn)
    if (intake.joined) reply.header('x-run-joined', intake.runId)
    reply.header('x-run-id', intake.runId)
    return intake
  }

  async #stream(exchange: Exchange, agentId: string, turn: TurnRequest): Promise<void> {
    const { runId, after: version } = await this.#takeIn(exchange, agentId, turn)
    const pings = turn.stream?.pings ?? true
    const after = version === 0 ? RUN_BEGIN : { version, offset: 0 }
    await this.streams.serveLetta(exchange, runId, { after, pings, isThere: true })
  }

  async #answer({ runId, joined, after }: Intake, answer: DrippingReply): Promise<void> {
    try {
      await this.waiters.wait(runId, answer.gone, !joined)
    } catch {
      // The turn goes on without the client; there is nobody left to answer.
      return
    }
    const result = await this.#resultFor(answer, () => this.#result(runId, after))
    if (!result) return
    const failure = answer.hasBegun ? null : providerFailure(result)
    if (failure) throw failure
    answer.end(renderLettaResponse(result))
  }

  /** Once the answer has begun there is no error to answer: it is read until it can be. */
  async #resultFor(
    answer: DrippingReply,
    read: () => Promise<RunResult>,
  ): Promise<RunResult | null> {
    while (!answer.gone.aborted) {
      try {
        return await read()
      } catch (error) {
        if (!answer.hasBegun) throw error
        await sleep(READ_AGAIN_MS, undefined, { signal: answer.gone }).catch(() => {})
      }
    }
    return null
  }

  async #result(runId: string, after = 0): Promise<RunResult> {
    return there(runId, await runResult(this.db, TENANT, runId, after))
  }
}

function there<T>(runId: string, found: T | null): T {
  if (found === null) throw new Error(`run ${runId} was committed and is not there`)
  return found
}

/** As Letta's servers have it: clients before 1.0 would read the stream as JSON. */
function streamingNotHere(): Problem {
  const message = 'not for clients before 1.0: send it to /messages/stream'
  return new Problem('invalid_argument', `1 field is not valid: /streaming: ${message}`, {
    errors: [{ pointer: '/streaming', code: 'invalid_argument', message }],
  })
}

/** A model that failed is told as an error while there is still a status to tell it by. */
function providerFailure({ run }: RunResult): Problem | null {
  const { failure } = run
  if (!failure?.class.startsWith('Provider.')) return null
  const code = failure.class === 'Provider.RateLimited' ? 'model_rate_limited' : 'model_unavailable'
  return new Problem(code, failure.detail, {
    facts: { ...failure.facts, run_id: run.run_id, class: failure.class },
    // The turn is over and recorded: sending it again would be another turn.
    headers: { 'x-should-retry': 'false' },
  })
}
