import { Body, Controller, Get, Inject, Param, Post, Query, Req, Res } from '@nestjs/common'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Database } from '#postgres/database.js'
import { getRun, type RunRow } from '#read-models/runs.js'
import { pathId } from './http/path-id.js'
import { asQuery, invalidCursor, type QueryReader } from './http/query.js'
import { singleHeader } from './http/request-context.js'
import { zodBody } from './http/validation.js'
import { runNotFound } from './missing.js'
import { RunStreams } from './run-streams.js'
import { TENANT } from './tenant.js'
import { DATABASE } from './tokens.js'
import { cursorOfId, cursorOfSeq, RUN_BEGIN } from './wire/run-cursor.js'
import { type RunStreamRequest, runStreamRequest } from './wire/run-stream-wire.js'

/** A run as it goes: from anywhere in it, on any node, and as often as somebody likes. */
@Controller('v1/runs/:run_id/stream')
export class RunStreamController {
  constructor(
    @Inject(DATABASE) private readonly db: Database,
    private readonly streams: RunStreams,
  ) {}

  /** In Letta's form. */
  @Post()
  async attach(
    @Param('run_id', pathId('run')) runId: string,
    @Body(zodBody(runStreamRequest)) body: RunStreamRequest,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.existingRun(runId)
    const after = body.startingAfter === null ? RUN_BEGIN : cursorOfSeq(body.startingAfter)
    await this.streams.serveLetta({ request, reply }, runId, { after, pings: body.pings })
  }

  /** In our own form; `Last-Event-ID`, which browsers send when they connect again, wins over `after`. */
  @Get()
  async follow(
    @Param('run_id', pathId('run')) runId: string,
    @Query(asQuery) query: QueryReader,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    query.only('after')
    const asked = singleHeader(request, 'last-event-id') ?? query.text('after') ?? '0'
    const after = cursorOfId(asked)
    if (!after) throw invalidCursor(asked)
    await this.existingRun(runId)
    await this.streams.serveEvents({ request, reply }, runId, after)
  }

  private async existingRun(runId: string): Promise<RunRow> {
    const run = await getRun(this.db, TENANT, runId)
    if (run) return run
    throw runNotFound(runId)
  }
}
