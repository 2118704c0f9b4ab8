import { Controller, Get, Inject, Param, Query } from '@nestjs/common'
import type { Database } from '#postgres/database.js'
import { messagesOfStep } from '#read-models/messages.js'
import { getStep, listSteps, type StepFilter, type StepRow } from '#read-models/steps.js'
import { pathId } from './http/path-id.js'
import { Problem } from './http/problem.js'
import { asQuery, type QueryReader } from './http/query.js'
import { messagePage } from './message-page.js'
import { pageRows } from './page-rows.js'
import { TENANT } from './tenant.js'
import { DATABASE } from './tokens.js'
import { DEFAULT_VIEW, type WireMessage } from './wire/message-wire.js'
import { renderStep } from './wire/step-wire.js'

/** Steps: the model calls of all runs. */
@Controller('v1/steps')
export class StepsController {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  @Get()
  async list(@Query(asQuery) query: QueryReader) {
    const page = query.page({ limit: 50, order: 'desc', cursor: 'step' })
    return pageRows(await listSteps(this.db, TENANT, stepFilter(query), page)).map(renderStep)
  }

  @Get(':step_id')
  async get(@Param('step_id', pathId('step')) stepId: string) {
    return renderStep(await this.existingStep(stepId))
  }

  @Get(':step_id/messages')
  async messages(
    @Param('step_id', pathId('step')) stepId: string,
    @Query(asQuery) query: QueryReader,
  ): Promise<WireMessage[]> {
    const page = query.page({ limit: 100, order: 'asc', cursor: 'message' })
    const { run_id: runId } = await this.existingStep(stepId)
    return messagePage(page, DEFAULT_VIEW, (next) =>
      messagesOfStep(this.db, TENANT, { runId, stepId }, next),
    )
  }

  private async existingStep(stepId: string): Promise<StepRow> {
    const step = await getStep(this.db, TENANT, stepId)
    if (step) return step
    throw new Problem('step_not_found', `There is no step ${stepId}`, {
      facts: { step_id: stepId },
    })
  }
}

function stepFilter(query: QueryReader): StepFilter {
  return {
    agentId: query.id('agent_id', 'agent'),
    model: query.text('model'),
    from: time(query, 'start_date'),
    until: time(query, 'end_date'),
  }
}

function time(query: QueryReader, name: string): Date | undefined {
  const value = query.text(name)
  if (value === undefined) return undefined
  const date = new Date(value)
  if (!Number.isNaN(date.getTime())) return date
  throw new Problem('invalid_query', `The query parameter ${name} is not an ISO 8601 time`, {
    facts: { parameter: name },
  })
}
