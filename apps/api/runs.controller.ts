import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common'
import type { FastifyReply } from 'fastify'
import { parseId } from '#domain/ids.js'
import type { Database } from '#postgres/database.js'
import { messagesOfRun } from '#read-models/messages.js'
import { getRun, listRuns, type RunFilter, type RunRow } from '#read-models/runs.js'
import { stepsOfRun } from '#read-models/steps.js'
import type { TurnWaiters } from '#turns/turn-waiters.js'
import { leftSignal } from './http/left-signal.js'
import { pathId } from './http/path-id.js'
import { Problem } from './http/problem.js'
import { asQuery, type Page, type QueryReader } from './http/query.js'
import { messagePage } from './message-page.js'
import { runNotFound } from './missing.js'
import { pageRows } from './page-rows.js'
import { TENANT } from './tenant.js'
import { DATABASE, TURN_WAITERS } from './tokens.js'
import type { WireMessage } from './wire/message-wire.js'
import { renderRun, renderRunUsage, TURN_STATUSES } from './wire/run-wire.js'
import { renderStep } from './wire/step-wire.js'

/** How long a run may be waited for in one request. */
const WAIT_SECONDS_MAX = 60
const ACTIVE: readonly string[] = [...TURN_STATUSES.created, ...TURN_STATUSES.running]

/** Runs: the wire's name for turns. */
@Controller('v1/runs')
export class RunsController {
  constructor(
    @Inject(DATABASE) private readonly db: Database,
    @Inject(TURN_WAITERS) private readonly waiters: TurnWaiters,
  ) {}

  @Get()
  async list(@Query(asQuery) query: QueryReader) {
    const runs = await listRuns(this.db, TENANT, runFilter(query), runPage(query))
    return pageRows(runs).map(renderRun)
  }

  @Get('active')
  async active(@Query(asQuery) query: QueryReader) {
    const filter = { ...runFilter(query), statuses: ACTIVE }
    return pageRows(await listRuns(this.db, TENANT, filter, runPage(query))).map(renderRun)
  }

  /** With `wait`, once it has ended, or as it is after so many seconds. */
  @Get(':run_id')
  async get(
    @Param('run_id', pathId('run')) runId: string,
    @Query(asQuery) query: QueryReader,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const seconds = query.integer('wait', { min: 0, max: WAIT_SECONDS_MAX })
    const run = await this.existingRun(runId)
    if (!seconds || run.done_at) return renderRun(run)
    const enough = AbortSignal.any([AbortSignal.timeout(seconds * 1_000), leftSignal(reply)])
    await this.waiters.wait(runId, enough).catch(() => {})
    return renderRun(await this.existingRun(runId))
  }

  /** As the caller of the run asked to see them. */
  @Get(':run_id/messages')
  async messages(
    @Param('run_id', pathId('run')) runId: string,
    @Query(asQuery) query: QueryReader,
  ): Promise<WireMessage[]> {
    const page = query.page({ limit: 100, order: 'asc', cursor: 'message' })
    const { options } = await this.existingRun(runId)
    const view = { ...options, include_return_message_types: null }
    return messagePage(page, view, (next) => messagesOfRun(this.db, TENANT, runId, next))
  }

  @Get(':run_id/steps')
  async steps(@Param('run_id', pathId('run')) runId: string, @Query(asQuery) query: QueryReader) {
    const page = query.page({ limit: 100, order: 'desc', cursor: 'step' })
    await this.existingRun(runId)
    return pageRows(await stepsOfRun(this.db, TENANT, runId, page)).map(renderStep)
  }

  @Get(':run_id/usage')
  async usage(@Param('run_id', pathId('run')) runId: string) {
    return renderRunUsage(await this.existingRun(runId))
  }

  private async existingRun(runId: string): Promise<RunRow> {
    const run = await getRun(this.db, TENANT, runId)
    if (run) return run
    throw runNotFound(runId)
  }
}

/** 0.x says `ascending` where 1.x says `order`. */
function runPage(query: QueryReader): Page {
  const order = query.flag('ascending') ? 'asc' : 'desc'
  return query.page({ limit: 100, order, cursor: 'run' })
}

function runFilter(query: QueryReader): RunFilter {
  const agentIds = [...query.texts('agent_id'), ...query.texts('agent_ids')].map(agentId)
  const statuses = query.texts('statuses').flatMap(turnStatuses)
  const named = query.texts('statuses').length > 0
  const active = query.flag('active') ? ACTIVE : undefined
  return {
    agentIds: agentIds.length > 0 ? agentIds : undefined,
    statuses: named ? statuses.filter((s) => !active || active.includes(s)) : active,
    background: query.flag('background'),
    stopReason: query.text('stop_reason'),
  }
}

function agentId(text: string): string {
  const id = parseId('agent', text)
  if (id) return id
  throw invalid('agent_id', 'is not the id of an agent')
}

function turnStatuses(status: string): readonly string[] {
  if (Object.hasOwn(TURN_STATUSES, status))
    return TURN_STATUSES[status as keyof typeof TURN_STATUSES]
  throw invalid('statuses', `is not one of ${Object.keys(TURN_STATUSES).join(', ')}`)
}

function invalid(parameter: string, what: string): Problem {
  return new Problem('invalid_query', `The query parameter ${parameter} ${what}`, {
    facts: { parameter },
  })
}
