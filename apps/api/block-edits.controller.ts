import { Body, Controller, Get, Inject, Param, Post, Query, Req, Res } from '@nestjs/common'
import { CommandBus } from '@nestjs/cqrs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Pool } from 'pg'
import type { BlockCommand } from '#domain/block-events.js'
import type { Database } from '#postgres/database.js'
import { blockHistory } from '#read-models/history.js'
import type { Reads } from '#read-models/reads.js'
import { blockAfter, changeBlock, type Exchange } from './block-change.js'
import { tagged } from './http/entity-tag.js'
import { pathId } from './http/path-id.js'
import { asQuery, invalidCursor, LIMIT_MAX, type QueryReader } from './http/query.js'
import { zodBody } from './http/validation.js'
import { blockNotFound } from './missing.js'
import { TENANT } from './tenant.js'
import { DATABASE, POOL } from './tokens.js'
import {
  type Insertion,
  insertion,
  type Replacement,
  type Rewrite,
  renderBlock,
  renderHistory,
  replacement,
  rewrite,
} from './wire/block-wire.js'

const REST = { passthrough: true } as const
const HISTORY_LIMIT = 100
/** The line that stands for the end of the text. */
const END = -1

/** The three words over REST, and the events they left behind. */
@Controller('v1/blocks/:block_id')
export class BlockEditsController {
  private readonly reads: Reads

  constructor(
    private readonly bus: CommandBus,
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
    const line = body.insert_line ?? END
    const place = line === END ? ({ at: 'end' } as const) : ({ at: 'line', line } as const)
    const edit = { type: 'InsertText', text: body.new_string, place, numbered: true } as const
    return this.edit({ request, reply }, id, edit, body.base_version)
  }

  @Post('replace')
  replace(
    @Param('block_id', pathId('block')) id: string,
    @Body(zodBody(replacement)) body: Replacement,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    const edit = {
      type: 'ReplaceText',
      old: body.old_string,
      new: body.new_string,
      all: body.all ?? false,
      numbered: true,
    } as const
    return this.edit({ request, reply }, id, edit, body.base_version)
  }

  @Post('rethink')
  rethink(
    @Param('block_id', pathId('block')) id: string,
    @Body(zodBody(rewrite)) body: Rewrite,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    const edit = { type: 'RethinkBlock', text: body.new_memory, numbered: true } as const
    return this.edit({ request, reply }, id, edit, body.base_version)
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

  private async edit(
    exchange: Exchange,
    id: string,
    edit: BlockCommand,
    baseVersion: number | undefined,
  ) {
    const changed = await changeBlock(this.bus, exchange, id, edit, baseVersion ?? null)
    const block = renderBlock(await blockAfter(this.reads, changed))
    const { version, changed: isChanged, receipt } = changed
    return tagged(exchange.reply, version, { block, version, changed: isChanged, receipt })
  }
}

/** A version, which is what `next_cursor` holds. */
function versionCursor(text: string | undefined): number | null {
  if (text === undefined) return null
  const version = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (version <= 2_147_483_647) return version
  throw invalidCursor(text)
}
