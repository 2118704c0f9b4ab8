import { Body, Controller, Inject, Param, Post, Req, Res } from '@nestjs/common'
import { CommandBus } from '@nestjs/cqrs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Database } from '#postgres/database.js'
import { type RunResult, runResult } from '#read-models/run-result.js'
import type { Doorbell } from '#turns/ports.js'
import type { TurnWaiters } from '#turns/turn-waiters.js'
import { pathId } from './http/path-id.js'
import { Problem } from './http/problem.js'
import { zodBody } from './http/validation.js'
import { TENANT } from './tenant.js'
import { DATABASE, DOORBELL, TURN_WAITERS } from './tokens.js'
import { takeIn } from './turn-intake.js'
import { renderLettaResponse } from './wire/letta-response-wire.js'
import { type TurnRequest, turnRequest } from './wire/message-create-wire.js'
import { renderRun } from './wire/run-wire.js'

/** Messages to an agent: each is a turn in its mailbox. A dropped connection never cancels one. */
@Controller('v1/agents/:agent_id/messages')
export class TurnsController {
  constructor(
    readonly commands: CommandBus,
    @Inject(DATABASE) readonly db: Database,
    @Inject(DOORBELL) readonly doorbell: Doorbell,
    @Inject(TURN_WAITERS) private readonly waiters: TurnWaiters,
  ) {}

  /** Waits until the turn ends, or waits for an answer itself. */
  @Post()
  async send(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('agent_id', pathId('agent')) agentId: string,
    @Body(zodBody(turnRequest(false))) turn: TurnRequest,
  ): Promise<object> {
    const { runId, joined, after } = await takeIn(this, request, agentId, turn)
    if (joined) reply.header('x-run-joined', runId)
    reply.header('x-run-id', runId)
    // The turn goes on without the client; there is nobody left to answer.
    if (!(await this.#ended(runId, reply))) return {}
    const result = await this.#result(runId, after)
    const failure = providerFailure(result)
    if (failure) throw failure
    return renderLettaResponse(result)
  }

  /** Answers at once; the run tells how it went. */
  @Post('async')
  async start(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('agent_id', pathId('agent')) agentId: string,
    @Body(zodBody(turnRequest(true))) turn: TurnRequest,
  ): Promise<object> {
    const { runId, joined } = await takeIn(this, request, agentId, turn)
    if (joined) reply.header('x-run-joined', runId)
    return renderRun((await this.#result(runId)).run)
  }

  /** False when the client went away before. */
  async #ended(runId: string, reply: FastifyReply): Promise<boolean> {
    const left = new AbortController()
    reply.raw.once('close', () => left.abort())
    if (reply.raw.destroyed) return false
    return this.waiters.wait(runId, left.signal).then(
      () => true,
      () => false,
    )
  }

  async #result(runId: string, after = 0): Promise<RunResult> {
    const result = await runResult(this.db, TENANT, runId, after)
    if (!result) throw new Error(`run ${runId} was committed and is not there`)
    return result
  }
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
