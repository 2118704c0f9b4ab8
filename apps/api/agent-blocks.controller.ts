import { Body, Controller, Get, Inject, Param, Patch, Query, Req, Res } from '@nestjs/common'
import { CommandBus } from '@nestjs/cqrs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Pool } from 'pg'
import { type AgentChange, ChangeAgent } from '#commands/change-agent.js'
import { echo } from '#domain/errors.js'
import type { Database } from '#postgres/database.js'
import { agentById } from '#read-models/agents.js'
import { blockOfAgent, listBlocksOfAgent } from '#read-models/attachments.js'
import type { BlockView } from '#read-models/blocks.js'
import type { Reads } from '#read-models/reads.js'
import { agentState } from './agent-states.js'
import { changedBlock } from './block-change.js'
import { accepted, commandMetadata, isDryRun } from './http/command-identity.js'
import { readTagged } from './http/entity-tag.js'
import { pathId } from './http/path-id.js'
import { Problem } from './http/problem.js'
import { asQuery, type QueryReader } from './http/query.js'
import { zodBody } from './http/validation.js'
import { warned } from './label-warning.js'
import { existingAgent } from './missing.js'
import { pageRows } from './page-rows.js'
import { TENANT } from './tenant.js'
import { DATABASE, POOL } from './tokens.js'
import { renderDryRun } from './wire/block-edit-wire.js'
import { type BlockPatchBody, blockPatch, blockSettings, renderBlock } from './wire/block-wire.js'

const RIGHTS = ['read', 'insert', 'edit'] as const
const REST = { passthrough: true } as const

/** An agent's blocks by label, and which blocks it has. */
@Controller('v1/agents/:agent_id/core-memory/blocks')
export class AgentBlocksController {
  readonly reads: Reads

  constructor(
    readonly bus: CommandBus,
    @Inject(DATABASE) db: Database,
    @Inject(POOL) pool: Pool,
  ) {
    this.reads = { db, pool }
  }

  @Get()
  async list(
    @Param('agent_id', pathId('agent')) agentId: string,
    @Query(asQuery) query: QueryReader,
  ) {
    const page = query.page({ limit: 100, order: 'desc', cursor: 'block' })
    query.choice('order_by', ['created_at'])
    await this.existing(agentId)
    return pageRows(await listBlocksOfAgent(this.reads, TENANT, agentId, page)).map(renderBlock)
  }

  /** With `right` also for a block that is attached already: its right becomes that one. */
  @Patch('attach/:block_id')
  attach(
    @Param('agent_id', pathId('agent')) agentId: string,
    @Param('block_id', pathId('block')) blockId: string,
    @Query(asQuery) query: QueryReader,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    const right = query.choice('right', RIGHTS) ?? null
    return this.change(request, reply, agentId, { type: 'AttachBlock', blockId, right })
  }

  @Patch('detach/:block_id')
  detach(
    @Param('agent_id', pathId('agent')) agentId: string,
    @Param('block_id', pathId('block')) blockId: string,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    return this.change(request, reply, agentId, { type: 'DetachBlock', blockId })
  }

  @Get(':label')
  async retrieve(
    @Param('agent_id', pathId('agent')) agentId: string,
    @Param('label') label: string,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    const block = await this.labelled(agentId, label)
    return readTagged(request, reply, block.version, renderBlock(block))
  }

  @Patch(':label')
  async update(
    @Param('agent_id', pathId('agent')) agentId: string,
    @Param('label') label: string,
    @Body(zodBody(blockPatch)) body: BlockPatchBody,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    const { id } = await this.labelled(agentId, label)
    const change = { type: 'PatchBlock', value: body.value, settings: blockSettings(body) } as const
    const edit = { change, baseVersion: body.base_version ?? null }
    const answer = await changedBlock(this, { request, reply }, id, edit, renderBlock)
    if (body.label !== undefined) warned(reply, await agentState(this.reads, agentId))
    return answer
  }

  private async change(
    request: FastifyRequest,
    reply: FastifyReply,
    agentId: string,
    change: Extract<AgentChange, { type: 'AttachBlock' | 'DetachBlock' }>,
  ) {
    const command = new ChangeAgent(agentId, change, commandMetadata(request))
    const { value, events } = accepted(await this.bus.execute(command), reply)
    if (isDryRun(request)) return renderDryRun(value, events)
    return warned(reply, await agentState(this.reads, agentId))
  }

  private async existing(agentId: string): Promise<void> {
    existingAgent(await agentById(this.reads, TENANT, agentId), agentId)
  }

  private async labelled(agentId: string, label: string): Promise<BlockView> {
    const block = await blockOfAgent(this.reads, TENANT, agentId, label)
    if (block) return block
    await this.existing(agentId)
    const detail = `Agent ${agentId} has no block with the label ${echo(label)}`
    throw new Problem('block_not_found', detail, {
      facts: { agent_id: agentId, label: echo(label) },
      hint: `List the agent's blocks with GET /v1/agents/${agentId}/core-memory/blocks.`,
    })
  }
}
