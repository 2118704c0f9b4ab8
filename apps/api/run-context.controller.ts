import { Controller, Get, Inject, Param, Query } from '@nestjs/common'
import type { Pool } from 'pg'
import type { Database } from '#postgres/database.js'
import { readServerKey } from '#postgres/server-key.js'
import { getRun } from '#read-models/runs.js'
import { sentContext } from '#turns/sent-context.js'
import { pathId } from './http/path-id.js'
import { Problem } from './http/problem.js'
import { asQuery, type QueryReader } from './http/query.js'
import { runNotFound } from './missing.js'
import { TENANT } from './tenant.js'
import { DATABASE, POOL } from './tokens.js'
import { renderContext } from './wire/context-wire.js'

const STEP_MAX = 2_147_483_647

/** What a model saw: made again from the log, and compared with what was recorded before the call. */
@Controller('v1/runs/:run_id/context')
export class RunContextController {
  constructor(
    @Inject(DATABASE) private readonly db: Database,
    @Inject(POOL) private readonly pool: Pool,
  ) {}

  @Get()
  async context(@Param('run_id', pathId('run')) runId: string, @Query(asQuery) query: QueryReader) {
    query.only('step')
    const step = query.integer('step', { min: 1, max: STEP_MAX })
    const run = await getRun(this.db, TENANT, runId)
    if (!run) throw runNotFound(runId)
    const key = await readServerKey(this.db, 'context')
    const sources = { reads: this.pool, db: this.db, key }
    const sent = await sentContext(sources, TENANT, runId, Number(run.seq), step)
    if (sent) return renderContext(runId, sent)
    const what = step === undefined ? 'has not asked its model' : `has no step ${step}`
    throw new Problem('step_not_found', `Run ${runId} ${what}`, {
      facts: { run_id: runId, step: step ?? null },
      hint: 'List its steps with GET /v1/runs/{run_id}/steps.',
    })
  }
}
