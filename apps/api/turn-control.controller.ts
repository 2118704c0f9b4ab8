import { Body, Controller, HttpCode, Inject, Param, Post, Req } from '@nestjs/common'
import { CommandBus } from '@nestjs/cqrs'
import type { FastifyRequest } from 'fastify'
import type { Pool } from 'pg'
import { ChangeTurn, type TurnChange } from '#commands/change-turn.js'
import { outcome } from '#commands/metadata.js'
import type { Database } from '#postgres/database.js'
import { agentById } from '#read-models/agents.js'
import { editsOfRun } from '#read-models/run-edits.js'
import { getRun, type RunRow, unfinishedTurns } from '#read-models/runs.js'
import type { Doorbell } from '#turns/ports.js'
import type { TurnWaiters } from '#turns/turn-waiters.js'
import { commandMetadata } from './http/command-identity.js'
import { pathId } from './http/path-id.js'
import { Problem } from './http/problem.js'
import { zodBody } from './http/validation.js'
import { agentNotFound, runNotFound } from './missing.js'
import { TENANT } from './tenant.js'
import { DATABASE, DOORBELL, POOL, TURN_WAITERS } from './tokens.js'
import { type CancelRequest, cancelRequest } from './wire/cancel-wire.js'
import { renderRun, runStatus } from './wire/run-wire.js'

/** A worker that hears of it ends the turn at once; longer than this nobody is kept waiting for that. */
const CANCELLED_MS = 1_000

/** Ends turns, and puts failed ones back. What they have done stays. */
@Controller('v1')
export class TurnControlController {
  constructor(
    private readonly commands: CommandBus,
    @Inject(DATABASE) private readonly db: Database,
    @Inject(POOL) private readonly pool: Pool,
    @Inject(DOORBELL) private readonly doorbell: Doorbell,
    @Inject(TURN_WAITERS) private readonly waiters: TurnWaiters,
  ) {}

  /** All runs of the agent that have not ended, or those named; by id, what became of each. */
  @Post('agents/:agent_id/messages/cancel')
  @HttpCode(200)
  async cancelAgent(
    @Req() request: FastifyRequest,
    @Param('agent_id', pathId('agent')) agentId: string,
    @Body(zodBody(cancelRequest)) { run_ids }: CancelRequest,
  ): Promise<Record<string, string>> {
    const reads = { db: this.db, pool: this.pool }
    if (!(await agentById(reads, TENANT, agentId))) throw agentNotFound(agentId)
    const runIds = run_ids ?? (await unfinishedTurns(this.db, TENANT, agentId))
    if (runIds.length === 0) {
      const facts = { agent_id: agentId }
      throw new Problem('nothing_to_cancel', `Agent ${agentId} has no run to cancel`, { facts })
    }
    for (const id of runIds) {
      const run = await this.#existingRun(id)
      if (run.agent_id !== agentId) throw runNotFound(id)
    }
    const runs = await Promise.all(runIds.map((id) => this.#cancel(request, id)))
    return Object.fromEntries(runs.map((run) => [run.run_id, runStatus(run)]))
  }

  /** The run, with the edits it leaves behind. Once more changes nothing. */
  @Post('runs/:run_id/cancel')
  @HttpCode(200)
  async cancelRun(
    @Req() request: FastifyRequest,
    @Param('run_id', pathId('run')) runId: string,
  ): Promise<object> {
    const run = await this.#cancel(request, runId)
    return { ...renderRun(run), edits: await editsOfRun(this.db, TENANT, runId) }
  }

  /** A failed run goes on from its last recorded step. */
  @Post('runs/:run_id/retry')
  @HttpCode(200)
  async retryRun(
    @Req() request: FastifyRequest,
    @Param('run_id', pathId('run')) runId: string,
  ): Promise<object> {
    const { agent_id } = await this.#existingRun(runId)
    await this.#change(request, runId, agent_id, { type: 'RequeueTurn' })
    void this.doorbell.ring(TENANT, agent_id)
    return renderRun(await this.#existingRun(runId))
  }

  async #cancel(request: FastifyRequest, runId: string): Promise<RunRow> {
    const { agent_id } = await this.#existingRun(runId)
    await this.#change(request, runId, agent_id, { type: 'RequestCancel' })
    // The turns behind a parked one need not wait for the sweeper.
    void this.doorbell.ring(TENANT, agent_id)
    const late = AbortSignal.timeout(CANCELLED_MS)
    await this.waiters.wait(runId, late).catch(() => {})
    return this.#existingRun(runId)
  }

  async #change(
    request: FastifyRequest,
    runId: string,
    agentId: string,
    change: TurnChange,
  ): Promise<void> {
    const { tenantId, actor } = commandMetadata(request)
    const command = new ChangeTurn(runId, agentId, change, { tenantId, actor })
    const changed = outcome(await this.commands.execute(command))
    if (!changed.ok) throw Problem.of(changed.rejection)
  }

  async #existingRun(runId: string): Promise<RunRow> {
    const run = await getRun(this.db, TENANT, runId)
    if (run) return run
    throw runNotFound(runId)
  }
}
