import { Body, Controller, Delete, Get, Inject, Param, Post, Req, Res } from '@nestjs/common'
import { CommandBus } from '@nestjs/cqrs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Pool } from 'pg'
import { type AgentChange, ChangeAgent } from '#commands/change-agent.js'
import type { Database } from '#postgres/database.js'
import { agentById } from '#read-models/agents.js'
import type { Reads } from '#read-models/reads.js'
import { triggersOfAgent } from '#read-models/triggers.js'
import { accepted, commandMetadata, isDryRun, newId } from './http/command-identity.js'
import { pathId } from './http/path-id.js'
import { Problem } from './http/problem.js'
import { zodBody } from './http/validation.js'
import { existingAgent } from './missing.js'
import { TENANT } from './tenant.js'
import { DATABASE, POOL } from './tokens.js'
import { renderDryRun } from './wire/block-edit-wire.js'
import { debounceOf, type NewTriggerBody, newTrigger, renderTrigger } from './wire/trigger-wire.js'

const REST = { passthrough: true } as const

/** What wakes an agent without a message: changes of its blocks by others. */
@Controller('v1/agents/:agent_id/triggers')
export class AgentTriggersController {
  private readonly reads: Reads

  constructor(
    private readonly commands: CommandBus,
    @Inject(DATABASE) db: Database,
    @Inject(POOL) private readonly pool: Pool,
  ) {
    this.reads = { db, pool }
  }

  /** All of them: there are few. */
  @Get()
  async list(@Param('agent_id', pathId('agent')) agentId: string) {
    existingAgent(await agentById(this.reads, TENANT, agentId), agentId)
    const triggers = await triggersOfAgent(this.pool, TENANT, agentId)
    return { object: 'list', data: triggers.map(renderTrigger) }
  }

  @Post()
  async set(
    @Param('agent_id', pathId('agent')) agentId: string,
    @Body(zodBody(newTrigger)) body: NewTriggerBody,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    const id = newId(request, 'trigger')
    const { block_id: blockId, input = null } = body
    const trigger = { id, debounceMs: debounceOf(body), input }
    const tried = await this.change(request, reply, agentId, {
      type: 'SetTrigger',
      blockId,
      trigger,
    })
    if (tried) return tried
    const triggers = await triggersOfAgent(this.pool, TENANT, agentId)
    const set = triggers.find(({ trigger_id }) => trigger_id === id)
    if (set) return renderTrigger(set)
    // Asked again with the same key, after it was removed.
    const facts = { agent_id: agentId, trigger_id: id }
    throw new Problem('trigger_not_found', `Trigger ${id} was removed`, { facts })
  }

  @Delete(':trigger_id')
  remove(
    @Param('agent_id', pathId('agent')) agentId: string,
    @Param('trigger_id', pathId('trigger')) triggerId: string,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    return this.change(request, reply, agentId, { type: 'RemoveTrigger', triggerId })
  }

  /** @returns what would be, of a change that is only to be tried; else null. */
  private async change(
    request: FastifyRequest,
    reply: FastifyReply,
    agentId: string,
    change: AgentChange,
  ) {
    const command = new ChangeAgent(agentId, change, commandMetadata(request))
    const { value, events } = accepted(await this.commands.execute(command), reply)
    return isDryRun(request) ? renderDryRun(value, events) : null
  }
}
