import { Body, Controller, Inject, Param, Post, Req, Res } from '@nestjs/common'
import { CommandBus } from '@nestjs/cqrs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Pool } from 'pg'
import { z } from 'zod'
import type { Providers } from '#adapters/providers.js'
import { ChangeBlock } from '#commands/change-block.js'
import { type AgentState, missingAgent } from '#domain/agent.js'
import type { BlockState } from '#domain/block-state.js'
import { echo } from '#domain/errors.js'
import { foldStream } from '#event-store/stream-reader.js'
import type { Database } from '#postgres/database.js'
import { prepareCall } from '#turns/tool-call.js'
import type { Exchange } from './block-change.js'
import { commandMetadata } from './http/command-identity.js'
import { pathId } from './http/path-id.js'
import { Problem } from './http/problem.js'
import { zodBody } from './http/validation.js'
import { TENANT } from './tenant.js'
import { DATABASE, POOL, PROVIDERS } from './tokens.js'

const STDERR_LENGTH_MAX = 1_000

const body = z.object({ args: z.record(z.string(), z.unknown()).default({}) })

/**
 * Runs one of an agent's tools outside any turn: the actor is the agent, there is no run and no base
 * version. A refused edit is a tool error, not an HTTP one.
 */
@Controller('v1/agents/:agent_id/tools/:tool_name/run')
export class ToolRunsController {
  constructor(
    private readonly commands: CommandBus,
    @Inject(DATABASE) private readonly db: Database,
    @Inject(POOL) private readonly reads: Pool,
    @Inject(PROVIDERS) private readonly providers: Providers,
  ) {}

  @Post()
  async run(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('agent_id', pathId('agent')) agentId: string,
    @Param('tool_name') toolName: string,
    @Body(zodBody(body, { anyText: true })) { args }: z.output<typeof body>,
  ): Promise<object> {
    const agent = (await foldStream(this.reads, TENANT, agentId)).state as AgentState
    const missing = missingAgent(agent)
    if (missing) throw Problem.of(missing)
    if (!agent.tools.some((tool) => tool.name === toolName)) {
      throw new Problem('tool_not_found', `Agent ${agentId} has no tool ${echo(toolName)}`, {
        facts: { agent_id: agentId, tool: echo(toolName) },
      })
    }
    const left = new AbortController()
    reply.raw.once('close', () => left.abort(new Error('the client went away')))
    const call = { name: toolName, arguments: JSON.stringify(args) }
    const prepared = await prepareCall(call, agent, {
      db: this.db,
      search: this.providers.search,
      tenantId: TENANT,
      agentId,
      now: new Date(),
      signal: left.signal,
    })
    const { status, result } = prepared.edit
      ? await this.#edit({ request, reply }, agent, prepared)
      : prepared.describe(null)
    const stderr =
      status === 'error'
        ? [echo(`Error executing function ${toolName}: ${result}`, STDERR_LENGTH_MAX)]
        : null
    return { status, func_return: result, stdout: null, stderr, sandbox_config_fingerprint: null }
  }

  async #edit(
    { request, reply }: Exchange,
    agent: AgentState,
    { edit, describe }: Awaited<ReturnType<typeof prepareCall>>,
  ): Promise<{ status: 'success' | 'error'; result: string }> {
    if (!edit) throw new Error('there is nothing to edit')
    const actor = { kind: 'agent' as const, id: agent.id, name: agent.settings.name }
    const outcome = await this.commands.execute(
      new ChangeBlock(edit.blockId, edit.command, { ...commandMetadata(request), actor }),
    )
    if (outcome.replayed) reply.header('idempotent-replayed', 'true')
    const version = outcome.ok ? outcome.value.version : outcome.rejection.atVersion
    // Not the block's judgement, but the request's: a key used twice, a service that is stopping.
    if (!outcome.ok && version === undefined) throw Problem.of(outcome.rejection)
    const judged = await foldStream(this.reads, TENANT, edit.blockId, version)
    const block = judged.state as BlockState
    return describe({
      label: block.settings.label,
      limit: block.settings.limit,
      version: block.version,
      baseVersion: null,
      unseen: [],
      text: block.value,
      verdict: outcome.ok
        ? { ok: true, changed: outcome.value }
        : { ok: false, rejection: outcome.rejection },
    })
  }
}
