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
import { type AgentChange, ChangeAgent } from '#commands/change-agent.js'
import { echo } from '#domain/errors.js'
import type { Database } from '#postgres/database.js'
import { countAgents, listAgents } from '#read-models/agents.js'
import type { Reads } from '#read-models/reads.js'
import { newestBegunRun } from '#read-models/runs.js'
import type { Model } from '#turns/ports.js'
import { agentState, agentStates } from './agent-states.js'
import { existingTools, newAgentTools } from './agent-tools.js'
import { isLegacyClient } from './http/client-version.js'
import { commandMetadata, newId, settled } from './http/command-identity.js'
import { pathId } from './http/path-id.js'
import { Problem } from './http/problem.js'
import { asQuery, type QueryReader } from './http/query.js'
import { zodBody } from './http/validation.js'
import { warned } from './label-warning.js'
import { pageRows } from './page-rows.js'
import { TENANT } from './tenant.js'
import { DATABASE, POOL, PROVIDERS } from './tokens.js'
import { agentFilter, agentPage, relationshipsOf } from './wire/agent-query.js'
import {
  type AgentPatchBody,
  agentPatch,
  agentSettings,
  type NewAgentBody,
  newAgent,
  newAgentSettings,
  resetMessages,
} from './wire/agent-request.js'
import { newBlockSettings } from './wire/block-wire.js'

const REST = { passthrough: true } as const

/** Agents, as Letta's clients read and write them. */
@Controller('v1/agents')
export class AgentsController {
  private readonly reads: Reads

  constructor(
    private readonly bus: CommandBus,
    @Inject(DATABASE) db: Database,
    @Inject(POOL) pool: Pool,
    @Inject(PROVIDERS) private readonly providers: { readonly model: Model },
  ) {
    this.reads = { db, pool }
  }

  @Get()
  async list(@Query(asQuery) query: QueryReader, @Req() request: FastifyRequest) {
    const { page, sort } = agentPage(query)
    const relationships = relationshipsOf(query, request)
    const filter = agentFilter(query)
    if (!filter) return []
    const agents = pageRows(await listAgents(this.reads, TENANT, filter, page, sort))
    return agentStates(this.reads, agents, relationships)
  }

  @Get('count')
  count(): Promise<number> {
    return countAgents(this.reads, TENANT)
  }

  /** Agent, tools and blocks come into being together or not at all. */
  @Post()
  async create(
    @Body(zodBody(newAgent)) body: NewAgentBody,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    const settings = newAgentSettings(body, this.handleOf)
    const tools = await newAgentTools(this.reads.db, {
      agentType: settings.agent_type,
      hasSleeptime: body.enable_sleeptime ?? false,
      includeBase: body.include_base_tools ?? true,
      names: body.tools ?? [],
      ids: body.tool_ids ?? [],
    })
    const newBlocks = (body.memory_blocks ?? []).map((block, i) => ({
      id: newId(request, 'block', i),
      value: block.value,
      settings: newBlockSettings(block),
    }))
    const id = newId(request, 'agent')
    const blockIds = body.block_ids ?? []
    await this.change(request, reply, id, {
      type: 'CreateAgent',
      settings,
      tools,
      blockIds,
      newBlocks,
    })
    return warned(reply, await agentState(this.reads, id))
  }

  @Get(':agent_id')
  retrieve(@Param('agent_id', pathId('agent')) id: string) {
    return agentState(this.reads, id)
  }

  @Patch(':agent_id')
  async update(
    @Param('agent_id', pathId('agent')) id: string,
    @Body(zodBody(agentPatch)) body: AgentPatchBody,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    const tools = body.tool_ids && (await existingTools(this.reads.db, body.tool_ids))
    const settings = agentSettings(body, this.handleOf)
    const { block_ids: blockIds } = body
    await this.change(request, reply, id, { type: 'PatchAgent', settings, tools, blockIds })
    return warned(reply, await agentState(this.reads, id))
  }

  /** An old client is answered the agent, a new one null. What is forgotten stays in the log. */
  @Patch(':agent_id/reset-messages')
  async reset(
    @Param('agent_id', pathId('agent')) id: string,
    @Body(zodBody(resetMessages)) _body: unknown,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    const throughRunId = await newestBegunRun(this.reads.db, TENANT, id)
    await this.change(request, reply, id, { type: 'ResetMessages', throughRunId })
    return isLegacyClient(request) ? agentState(this.reads, id) : null
  }

  @Delete(':agent_id')
  async remove(
    @Param('agent_id', pathId('agent')) id: string,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    await this.change(request, reply, id, { type: 'DeleteAgent' })
    return { message: `Agent ${id} was deleted` }
  }

  /** A model that nobody has is refused at once, and not in every turn of its agent. */
  private readonly handleOf = (model: string): string => {
    const route = this.providers.model.route(model)
    if (route) return route.handle
    const message = 'no provider of models has this name'
    throw new Problem('invalid_argument', `${echo(model)}: ${message}`, {
      errors: [{ pointer: '/model', code: 'invalid_argument', message }],
      hint: 'List the models there are with GET /v1/models, or configure a provider of that name.',
    })
  }

  private async change(
    request: FastifyRequest,
    reply: FastifyReply,
    agentId: string,
    change: AgentChange,
  ): Promise<void> {
    const command = new ChangeAgent(agentId, change, commandMetadata(request))
    settled(await this.bus.execute(command), reply)
  }
}
