import { Body, Controller, Inject, Param, Post, Req, Res } from '@nestjs/common'
import { CommandBus } from '@nestjs/cqrs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Pool } from 'pg'
import type { BlockCommand } from '#domain/block-events.js'
import type { Database } from '#postgres/database.js'
import type { Reads } from '#read-models/reads.js'
import { blockAfter, changeBlock, type Exchange } from './block-change.js'
import { tagged } from './http/entity-tag.js'
import { pathId } from './http/path-id.js'
import { zodBody } from './http/validation.js'
import { DATABASE, POOL } from './tokens.js'
import {
  type Insertion,
  insertion,
  type Replacement,
  type Rewrite,
  renderBlock,
  replacement,
  rewrite,
} from './wire/block-wire.js'

const REST = { passthrough: true } as const
/** The line that stands for the end of the text. */
const END = -1

/** The three words over REST. */
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
