import {
  Body,
  Controller,
  Delete,
  Get,
  Inject,
  Param,
  Patch,
  Post,
  Query,
  Req,
  Res,
} from '@nestjs/common'
import { CommandBus } from '@nestjs/cqrs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Pool } from 'pg'
import type { Database } from '#postgres/database.js'
import { listAgents } from '#read-models/agents.js'
import { blockAtVersion, versionAt } from '#read-models/block-at.js'
import { type BlockView, blockById, countBlocks, listBlocks } from '#read-models/blocks.js'
import type { Reads } from '#read-models/reads.js'
import { agentStates } from './agent-states.js'
import { changeBlock, changedBlock } from './block-change.js'
import { isDryRun, newId } from './http/command-identity.js'
import { readTagged } from './http/entity-tag.js'
import { pathId } from './http/path-id.js'
import { asQuery, type QueryReader } from './http/query.js'
import { zodBody } from './http/validation.js'
import { blockNotFound, existingBlock, versionFromFuture } from './missing.js'
import { pageRows } from './page-rows.js'
import { TENANT } from './tenant.js'
import { DATABASE, POOL } from './tokens.js'
import { relationshipsOf } from './wire/agent-query.js'
import { renderDryRun } from './wire/block-edit-wire.js'
import { blockFilter, type Past, pastOf } from './wire/block-query.js'
import {
  type BlockPatchBody,
  blockPatch,
  blockSettings,
  type NewBlockBody,
  newBlock,
  newBlockSettings,
  renderBlock,
} from './wire/block-wire.js'

const REST = { passthrough: true } as const

/** Blocks, as Letta's clients read and write them. */
@Controller('v1/blocks')
export class BlocksController {
  readonly reads: Reads

  constructor(
    readonly bus: CommandBus,
    @Inject(DATABASE) db: Database,
    @Inject(POOL) pool: Pool,
  ) {
    this.reads = { db, pool }
  }

  @Get()
  async list(@Query(asQuery) query: QueryReader) {
    const page = query.page({ limit: 50, order: 'asc', cursor: 'block' })
    query.choice('order_by', ['created_at'])
    const filter = blockFilter(query)
    if (!filter) return []
    return pageRows(await listBlocks(this.reads, TENANT, filter, page)).map(renderBlock)
  }

  @Get('count')
  count(): Promise<number> {
    return countBlocks(this.reads, TENANT)
  }

  @Post()
  async create(
    @Body(zodBody(newBlock)) body: NewBlockBody,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    const change = {
      type: 'CreateBlock',
      value: body.value,
      settings: newBlockSettings(body),
    } as const
    const id = newId(request, 'block')
    return changedBlock(this, { request, reply }, id, { change }, renderBlock)
  }

  /** With `at_version` or `at` the block as it was: of a deleted one too. */
  @Get(':block_id')
  async retrieve(
    @Param('block_id', pathId('block')) id: string,
    @Query(asQuery) query: QueryReader,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    const past = pastOf(query)
    const block = past
      ? await this.blockThen(id, past)
      : existingBlock(await blockById(this.reads, TENANT, id), id)
    return readTagged(request, reply, block.version, renderBlock(block))
  }

  @Patch(':block_id')
  async update(
    @Param('block_id', pathId('block')) id: string,
    @Body(zodBody(blockPatch)) body: BlockPatchBody,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    const change = { type: 'PatchBlock', value: body.value, settings: blockSettings(body) } as const
    const edit = { change, baseVersion: body.base_version ?? null }
    return changedBlock(this, { request, reply }, id, edit, renderBlock)
  }

  @Delete(':block_id')
  async remove(
    @Param('block_id', pathId('block')) id: string,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ): Promise<object | null> {
    const change = { type: 'DeleteBlock', reason: null } as const
    const { value, events } = await changeBlock(this.bus, { request, reply }, id, change)
    return isDryRun(request) ? renderDryRun(value, events) : null
  }

  @Get(':block_id/agents')
  async agents(
    @Param('block_id', pathId('block')) id: string,
    @Query(asQuery) query: QueryReader,
    @Req() request: FastifyRequest,
  ) {
    const page = query.page({ limit: 50, order: 'desc', cursor: 'agent' })
    query.choice('order_by', ['created_at'])
    const relationships = relationshipsOf(query, request)
    existingBlock(await blockById(this.reads, TENANT, id), id)
    const filter = { blockId: id, showHidden: true }
    const agents = pageRows(await listAgents(this.reads, TENANT, filter, page))
    return agentStates(this.reads, agents, relationships)
  }

  private async blockThen(id: string, past: NonNullable<Past>): Promise<BlockView> {
    const { pool } = this.reads
    const version = 'version' in past ? past.version : await versionAt(pool, TENANT, id, past.at)
    // Before its creation there was no such block.
    const at = version > 0 ? await blockAtVersion(pool, TENANT, id, version) : null
    if (!at) throw blockNotFound(id)
    if ('block' in at) return at.block
    throw versionFromFuture(id, at.head, version)
  }
}
