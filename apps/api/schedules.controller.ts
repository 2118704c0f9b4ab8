import { Body, Controller, Delete, Get, Inject, Param, Post, Req, Res } from '@nestjs/common'
import { CommandBus } from '@nestjs/cqrs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Pool } from 'pg'
import type { z } from 'zod'
import { type AgentChange, type AgentChanged, ChangeAgent } from '#commands/change-agent.js'
import type { Accepted } from '#commands/metadata.js'
import type { Database } from '#postgres/database.js'
import { agentById } from '#read-models/agents.js'
import type { Reads } from '#read-models/reads.js'
import { type ScheduleView, scheduleById, schedulesOfAgent } from '#read-models/schedules.js'
import { accepted, commandMetadata, isDryRun, newId } from './http/command-identity.js'
import { pathId } from './http/path-id.js'
import { Problem } from './http/problem.js'
import { zodBody } from './http/validation.js'
import { existingAgent } from './missing.js'
import { TENANT } from './tenant.js'
import { DATABASE, POOL } from './tokens.js'
import { renderDryRun } from './wire/block-edit-wire.js'
import { newSchedule, renderSchedule, scheduleSettings } from './wire/schedule-wire.js'

const REST = { passthrough: true } as const

/** When an agent is sent a message by the clock. */
@Controller('v1/agents/:agent_id/schedules')
export class SchedulesController {
  private readonly reads: Reads

  constructor(
    private readonly commands: CommandBus,
    @Inject(DATABASE) db: Database,
    @Inject(POOL) pool: Pool,
  ) {
    this.reads = { db, pool }
  }

  @Post()
  async create(
    @Param('agent_id', pathId('agent')) agentId: string,
    @Body(zodBody(newSchedule)) body: z.output<typeof newSchedule>,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    const scheduleId = newId(request, 'schedule')
    const change = { type: 'ScheduleAgent', scheduleId, settings: scheduleSettings(body) } as const
    const { value, events } = await this.change(request, reply, agentId, change)
    if (isDryRun(request)) return renderDryRun(value, events)
    return renderSchedule(await this.existing(agentId, scheduleId), new Date())
  }

  /** All of them: there are never many. */
  @Get()
  async list(@Param('agent_id', pathId('agent')) agentId: string) {
    existingAgent(await agentById(this.reads, TENANT, agentId), agentId)
    const now = new Date()
    const schedules = await schedulesOfAgent(this.reads.db, TENANT, agentId)
    return schedules.map((schedule) => renderSchedule(schedule, now))
  }

  @Get(':schedule_id')
  async retrieve(
    @Param('agent_id', pathId('agent')) agentId: string,
    @Param('schedule_id', pathId('schedule')) scheduleId: string,
  ) {
    return renderSchedule(await this.existing(agentId, scheduleId), new Date())
  }

  /** Turns that it has queued already are not touched. */
  @Delete(':schedule_id')
  async delete(
    @Param('agent_id', pathId('agent')) agentId: string,
    @Param('schedule_id', pathId('schedule')) scheduleId: string,
    @Req() request: FastifyRequest,
    @Res(REST) reply: FastifyReply,
  ) {
    const change = { type: 'UnscheduleAgent', scheduleId } as const
    const { value, events } = await this.change(request, reply, agentId, change)
    if (isDryRun(request)) return renderDryRun(value, events)
    return { object: 'schedule', id: scheduleId, deleted: true }
  }

  private async change(
    request: FastifyRequest,
    reply: FastifyReply,
    agentId: string,
    change: AgentChange,
  ): Promise<Accepted<AgentChanged>> {
    const command = new ChangeAgent(agentId, change, commandMetadata(request))
    return accepted(await this.commands.execute(command), reply)
  }

  private async existing(agentId: string, scheduleId: string): Promise<ScheduleView> {
    const schedule = await scheduleById(this.reads.db, TENANT, scheduleId)
    if (schedule?.agentId === agentId) return schedule
    existingAgent(await agentById(this.reads, TENANT, agentId), agentId)
    throw new Problem('schedule_not_found', `Agent ${agentId} has no schedule ${scheduleId}`, {
      facts: { agent_id: agentId, schedule_id: scheduleId },
    })
  }
}
