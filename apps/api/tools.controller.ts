import { randomBytes } from 'node:crypto'
import {
  Body,
  Controller,
  Delete,
  Get,
  Inject,
  Param,
  Patch,
  Post,
  Put,
  Query,
  Req,
  Res,
} from '@nestjs/common'
import { CommandBus } from '@nestjs/cqrs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { ChangeAgent } from '#commands/change-agent.js'
import {
  deleteTool,
  insertTool,
  type NewTool,
  updateTool,
  upsertTool,
} from '#commands/tools-table.js'
import type { Actor } from '#domain/actor.js'
import { idFromBytes } from '#domain/ids.js'
import type { Database } from '#postgres/database.js'
import {
  agentsWithTool,
  CUSTOM_TOOL,
  countTools,
  getTool,
  listTools,
  type ToolFilter,
  type ToolRow,
} from '#read-models/tools.js'
import { newId } from './http/command-identity.js'
import { pathId } from './http/path-id.js'
import { Problem } from './http/problem.js'
import { asQuery, type QueryReader } from './http/query.js'
import { actorOf } from './http/request-context.js'
import { zodBody } from './http/validation.js'
import { pageRows } from './page-rows.js'
import { TENANT } from './tenant.js'
import { DATABASE } from './tokens.js'
import { changedFields, newTool, renderTool, toolChanges } from './wire/tool-wire.js'

/** Tools: those that come with the service, and those clients have described. */
@Controller('v1/tools')
export class ToolsController {
  constructor(
    @Inject(DATABASE) private readonly db: Database,
    private readonly commands: CommandBus,
  ) {}

  @Get()
  async list(@Query(asQuery) query: QueryReader) {
    const page = query.page({ limit: 50, order: 'desc', cursor: 'tool' })
    return pageRows(await listTools(this.db, TENANT, toolFilter(query), page)).map(renderTool)
  }

  @Get('count')
  count(@Query(asQuery) query: QueryReader): Promise<number> {
    return countTools(this.db, TENANT, toolFilter(query))
  }

  @Get(':tool_id')
  async get(@Param('tool_id', pathId('tool')) toolId: string) {
    return renderTool(await existingTool(this.db, toolId))
  }

  /** With an `Idempotency-Key` a retry gets the tool that the first attempt made, as it is now. */
  @Post()
  async create(
    @Body(zodBody(newTool)) tool: NewTool,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const toolId = newId(request, 'tool')
    const row = await insertTool(this.db, TENANT, toolId, tool, actorOf(request))
    if (row) return renderTool(row)
    const earlier = await getTool(this.db, TENANT, toolId)
    if (!earlier) {
      throw new Problem('name_taken', `A tool with the name ${tool.name} exists already`, {
        facts: { name: tool.name },
      })
    }
    if (earlier.name !== tool.name) {
      const detail = 'This idempotency key was used before, for another request'
      throw new Problem('idempotency_key_reused', detail)
    }
    reply.header('idempotent-replayed', 'true')
    return renderTool(earlier)
  }

  @Put()
  async upsert(@Body(zodBody(newTool)) tool: NewTool, @Req() request: FastifyRequest) {
    const row = await upsertTool(this.db, TENANT, newToolId(), tool, actorOf(request))
    if (row) return renderTool(row)
    throw builtIn(tool.name)
  }

  @Patch(':tool_id')
  async update(
    @Param('tool_id', pathId('tool')) toolId: string,
    @Body(zodBody(toolChanges)) changes: z.output<typeof toolChanges>,
    @Req() request: FastifyRequest,
  ) {
    const tool = await customTool(this.db, toolId)
    if (changes.name !== undefined && changes.name !== tool.name) throw renamed(tool, changes.name)
    const fields = changedFields(tool, changes)
    if (Object.keys(fields).length === 0) return renderTool(tool)
    const row = await updateTool(this.db, TENANT, toolId, fields, actorOf(request))
    if (row) return renderTool(row)
    throw notFound(toolId)
  }

  @Delete(':tool_id')
  async delete(
    @Param('tool_id', pathId('tool')) toolId: string,
    @Req() request: FastifyRequest,
  ): Promise<null> {
    await customTool(this.db, toolId)
    await deleteTool(this.db, TENANT, toolId)
    // Afterwards, when it cannot be attached any more.
    await this.detachEverywhere(toolId, actorOf(request))
    return null
  }

  private async detachEverywhere(toolId: string, actor: Actor): Promise<void> {
    const agentIds = await agentsWithTool(this.db, TENANT, toolId)
    await Promise.all(
      agentIds.map((agentId) =>
        this.commands.execute(
          new ChangeAgent(agentId, { type: 'DetachTool', toolId }, { tenantId: TENANT, actor }),
        ),
      ),
    )
  }
}

/** @throws Problem tool_not_found */
export async function existingTool(db: Database, toolId: string): Promise<ToolRow> {
  const row = await getTool(db, TENANT, toolId)
  if (row) return row
  throw notFound(toolId)
}

async function customTool(db: Database, toolId: string): Promise<ToolRow> {
  const row = await existingTool(db, toolId)
  if (row.tool_type === CUSTOM_TOOL) return row
  throw builtIn(row.name)
}

function notFound(toolId: string): Problem {
  return new Problem('tool_not_found', `There is no tool ${toolId}`, { facts: { tool_id: toolId } })
}

function builtIn(name: string): Problem {
  return new Problem('tool_built_in', `The tool ${name} comes with the service`, {
    facts: { name },
  })
}

/** Agents know their tools by name, and models have learnt it from the conversation. */
function renamed(tool: ToolRow, name: string): Problem {
  const message = `a tool keeps its name, ${tool.name}`
  return new Problem('invalid_argument', `The tool ${tool.name} cannot be renamed`, {
    facts: { name },
    errors: [{ pointer: '/name', code: 'invalid_argument', message }],
    hint: 'Create a new tool under the new name.',
  })
}

function newToolId(): string {
  return idFromBytes('tool', randomBytes(16))
}

function toolFilter(query: QueryReader): ToolFilter {
  const onlyBuiltIn = query.flag('return_only_letta_tools')
  const onlyCustom = query.flag('exclude_letta_tools')
  return {
    name: query.text('name'),
    search: query.text('search'),
    names: some(query.texts('names')),
    toolIds: some(query.texts('tool_ids')),
    toolTypes: some(query.texts('tool_types')),
    excludedTypes: some(query.texts('exclude_tool_types')),
    builtIn: onlyBuiltIn ? true : onlyCustom ? false : undefined,
  }
}

function some(values: readonly string[]): readonly string[] | undefined {
  return values.length > 0 ? values : undefined
}
