import { Body, Controller, Inject, Param, Post, Req, Res } from '@nestjs/common'
import { CommandBus } from '@nestjs/cqrs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Pool } from 'pg'
import type { BlockCommand } from '#domain/block-events.js'
import type { Database } from '#postgres/database.js'
import type { Reads } from '#read-models/reads.js'
import { changedBlock, type Exchange, restoration } from './block-change.js'
import { pathId } from './http/path-id.js'
import { QueryReader } from './http/query.js'
import { zodBody } from './http/validation.js'
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
import { renderBlock } from './wire/block-wire.js'

const REST = { passthrough: true } as const

/** The three words over REST, and what takes them back. */
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
