import { Body, Controller, Get, Inject, Param, Post, Query, Req, Res } from '@nestjs/common'
import { CommandBus } from '@nestjs/cqrs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Pool } from 'pg'
import type { BlockCommand } from '#domain/block-events.js'
import type { Database } from '#postgres/database.js'
import { blockHistory } from '#read-models/history.js'
import type { Reads } from '#read-models/reads.js'
import { changedBlock, type Exchange, restoration } from './block-change.js'
import { pathId } from './http/path-id.js'
import { asQuery, invalidCursor, LIMIT_MAX, QueryReader } from './http/query.js'
import { zodBody } from './http/validation.js'
import { blockNotFound } from './missing.js'
import { TENANT } from './tenant.js'
import { DATABASE, POOL } from './tokens.js'
import {
  type Insertion,
  insertCommand,
  insertion,
  type Replacement,
  type Reversal,
  type Rewrite,
  replaceCommand,
  replacement,
  rethinkCommand,
  reversal,
  rewrite,
} from './wire/block-edit-wire.js'
import { renderBlock, renderHistory } from './wire/block-wire.js'

const REST = { passthrough: true } as const
const HISTORY_LIMIT = 100

/** The three words over REST, what takes them back, and the events they left behind. */
@Controller('v1/blocks/:block_id')
export class BlockEditsController {
  readonly reads: Reads

  constructor(
    readonly bus: CommandBus,
    @Inject(DATABASE) db: Database,
    @Inject(POOL) pool: Pool,
  ) {
    this.reads = { db, pool }
  }

  @Post('insert')
  insert(
    @Param('block_id', pathId('block')) id: string,
    @Body(zodBody(insertion)) body: Insertion,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    return this.edit({ request, reply }, id, insertCommand(body), body)
  }

  @Post('replace')
  replace(
    @Param('block_id', pathId('block')) id: string,
    @Body(zodBody(replacement)) body: Replacement,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    return this.edit({ request, reply }, id, replaceCommand(body), body)
  }

  @Post('rethink')
  rethink(
    @Param('block_id', pathId('block')) id: string,
    @Body(zodBody(rewrite)) body: Rewrite,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    return this.edit({ request, reply }, id, rethinkCommand(body), body)
  }

  /** Takes back one edit and keeps the later ones. */
  @Post('undo')
  undo(
    @Param('block_id', pathId('block')) id: string,
    @Body(zodBody(reversal)) body: Reversal,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    const command = { type: 'RevertEdit', version: body.version } as const
    return this.edit({ request, reply }, id, command, body)
  }

  /** Goes back to the text of a version, as a new version. */
  @Post('restore')
  async restore(
    @Param('block_id', pathId('block')) id: string,
    @Body(zodBody(reversal)) body: Reversal,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    const command = await restoration(this.reads, id, body.version)
    return this.edit({ request, reply }, id, command, body)
  }

  @Get('history')
  async history(
    @Param('block_id', pathId('block')) id: string,
    @Query(asQuery) query: QueryReader,
  ) {
    query.only('after', 'limit', 'order')
    const history = await blockHistory(this.reads.pool, TENANT, id, {
      after: versionCursor(query.text('after')),
      limit: query.integer('limit', { min: 1, max: LIMIT_MAX }) ?? HISTORY_LIMIT,
      order: query.choice('order', ['asc', 'desc']) ?? 'asc',
    })
    if (!history) throw blockNotFound(id)
    return renderHistory(history)
  }

  private edit(
    exchange: Exchange,
    id: string,
    change: BlockCommand,
    body: { readonly base_version?: number | undefined },
  ) {
    new QueryReader(exchange.request.query).only('dry_run')
    const edit = { change, baseVersion: body.base_version ?? null }
    return changedBlock(this, exchange, id, edit, (block, { version, changed, receipt }) => {
      return { block: renderBlock(block), version, changed, receipt }
    })
  }
}

/** A version, which is what `next_cursor` holds. */
function versionCursor(text: string | undefined): number | null {
  if (text === undefined) return null
  const version = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (version <= 2_147_483_647) return version
  throw invalidCursor(text)
}
