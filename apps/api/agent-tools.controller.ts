import { Body, Controller, Get, Inject, Param, Patch, Query, Req, Res } from '@nestjs/common'
import { CommandBus } from '@nestjs/cqrs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Pool } from 'pg'
import { type AgentChange, ChangeAgent } from '#commands/change-agent.js'
import type { Database } from '#postgres/database.js'
import { agentById } from '#read-models/agents.js'
import type { Reads } from '#read-models/reads.js'
import { toolsOfAgent } from '#read-models/tools.js'
import { type AgentState, agentState } from './agent-states.js'
import { toAttach } from './agent-tools.js'
import { commandMetadata, settled } from './http/command-identity.js'
import { pathId } from './http/path-id.js'
import { asQuery, type QueryReader } from './http/query.js'
import { zodBody } from './http/validation.js'
import { existingAgent } from './missing.js'
import { pageRows } from './page-rows.js'
import { TENANT } from './tenant.js'
import { DATABASE, POOL } from './tokens.js'
import { existingTool } from './tools.controller.js'
import { requiresApproval, type ToolApprovalBody, toolApproval } from './wire/tool-approval-wire.js'
import { renderTool } from './wire/tool-wire.js'

const REST = { passthrough: true } as const

/** Which tools an agent has. */
@Controller('v1/agents/:agent_id/tools')
export class AgentToolsController {
  private readonly reads: Reads

  constructor(
    private readonly commands: CommandBus,
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
    const page = query.page({ limit: 10, order: 'desc', cursor: 'tool' })
    const agent = existingAgent(await agentById(this.reads, TENANT, agentId), agentId)
    const tools = await toolsOfAgent(this.reads.db, TENANT, agent.toolIds, page)
    return pageRows(tools).map(renderTool)
  }

  @Patch('attach/:tool_id')
  async attach(
    @Param('agent_id', pathId('agent')) agentId: string,
    @Param('tool_id', pathId('tool')) toolId: string,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ): Promise<AgentState> {
    const tool = toAttach(await existingTool(this.reads.db, toolId))
    const change = { type: 'AttachTool', tool } as const
    return this.change(request, reply, agentId, change)
  }

  /** A tool the agent does not have is already as the caller wants it. */
  @Patch('detach/:tool_id')
  detach(
    @Param('agent_id', pathId('agent')) agentId: string,
    @Param('tool_id', pathId('tool')) toolId: string,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ): Promise<AgentState> {
    return this.change(request, reply, agentId, { type: 'DetachTool', toolId })
  }

  /** Whether calls of a tool wait for a person. It holds from the model's next answer on. */
  @Patch('approval/:tool_name')
  setApproval(
    @Param('agent_id', pathId('agent')) agentId: string,
    @Param('tool_name') toolName: string,
    @Query(asQuery) query: QueryReader,
    @Body(zodBody(toolApproval)) body: ToolApprovalBody,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ): Promise<AgentState> {
    const required = requiresApproval(body, query)
    const change = { type: 'SetToolApproval', toolName, requiresApproval: required } as const
    return this.change(request, reply, agentId, change)
  }

  private async change(
    request: FastifyRequest,
    reply: FastifyReply,
    agentId: string,
    change: AgentChange,
  ): Promise<AgentState> {
    const command = new ChangeAgent(agentId, change, commandMetadata(request))
    settled(await this.commands.execute(command), reply)
    return agentState(this.reads, agentId)
  }
}
