import { Body, Controller, Inject, Param, Post, Req, Res } from '@nestjs/common'
import { CommandBus } from '@nestjs/cqrs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Pool } from 'pg'
import { z } from 'zod'
import type { Providers } from '#adapters/providers.js'
import type { BlockEdit } from '#commands/block-change.js'
import { type BlockJudgement, judgementOf } from '#commands/block-judgement.js'
import { ChangeBlocks } from '#commands/change-blocks.js'
import type { Actor } from '#domain/actor.js'
import { type AgentState, missingAgent } from '#domain/agent.js'
import type { BlockState } from '#domain/block-state.js'
import { echo } from '#domain/errors.js'
import { foldStream } from '#event-store/stream-reader.js'
import type { Database } from '#postgres/database.js'
import { type PreparedCall, prepareCall } from '#turns/tool-call.js'
import type { Exchange } from './block-change.js'
import { commandMetadata, newId } from './http/command-identity.js'
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
    const agent = await this.#agent(agentId, commandMetadata(request).command?.id)
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
      newBlockId: (n) => newId(request, 'block', agentId, toolName, n),
    })
    const { status, result } =
      prepared.edits.length > 0
        ? await this.#edit({ request, reply }, agent, prepared)
        : prepared.describe([])
    const stderr =
      status === 'error'
        ? [echo(`Error executing function ${toolName}: ${result}`, STDERR_LENGTH_MAX)]
        : null
    return { status, func_return: result, stdout: null, stderr, sandbox_config_fingerprint: null }
  }

  /** The agent as it is, or, at a retry, as the first attempt found it: labels may have gone since. */
  async #agent(agentId: string, commandId: string | undefined): Promise<AgentState> {
    const first = commandId === undefined ? undefined : await this.#firstEvent(agentId, commandId)
    const upTo = first && first > 1 ? first - 1 : undefined
    return (await foldStream(this.reads, TENANT, agentId, upTo)).state as AgentState
  }

  async #firstEvent(streamId: string, commandId: string): Promise<number | null> {
    const row = await this.db
      .selectFrom('events')
      .select((select) => select.fn.min('version').as('version'))
      .where('tenant_id', '=', TENANT)
      .where('stream_id', '=', streamId)
      .where('command_id', '=', commandId)
      .executeTakeFirst()
    return row?.version ?? null
  }

  async #edit(
    { request, reply }: Exchange,
    agent: AgentState,
    { edits, describe }: PreparedCall,
  ): Promise<{ status: 'success' | 'error'; result: string }> {
    const actor = { kind: 'agent' as const, id: agent.id, name: agent.settings.name }
    const outcome = await this.commands.execute(
      new ChangeBlocks(edits, { ...commandMetadata(request), actor }),
    )
    if (outcome.replayed) reply.header('idempotent-replayed', 'true')
    if (!outcome.ok) {
      const { rejection } = outcome
      const refused = edits[rejection.facts.member as number]
      // Not the block's judgement, but the request's: a key used twice, a service that is stopping.
      if (!refused) throw Problem.of(rejection)
      return describe([await this.#judgement(refused, actor, { ok: false, rejection })])
    }
    const judged = outcome.value.map((changed, i) =>
      this.#judgement(edits[i] as BlockEdit, actor, { ok: true, changed }),
    )
    return describe(await Promise.all(judged))
  }

  /** Of the block at the version it was judged at, also when this is the answer to a retry. */
  async #judgement(
    { blockId, change }: BlockEdit,
    actor: Actor,
    verdict: BlockJudgement['verdict'],
  ): Promise<BlockJudgement> {
    const version = verdict.ok ? verdict.changed.version : verdict.rejection.atVersion
    const { state } = await foldStream(this.reads, TENANT, blockId, version)
    const block = state as BlockState
    return judgementOf(block, block, change, { actor, baseVersion: null }, verdict)
  }
}
