import { Body, Controller, Inject, Post, Query, Req, Res } from '@nestjs/common'
import { CommandBus } from '@nestjs/cqrs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Pool } from 'pg'
import type { BlockEdit } from '#commands/block-change.js'
import { ChangeBlock } from '#commands/change-block.js'
import { ChangeBlocks } from '#commands/change-blocks.js'
import type { CommandMetadata } from '#commands/metadata.js'
import type { Database } from '#postgres/database.js'
import type { Reads } from '#read-models/reads.js'
import { type Exchange, restoration } from './block-change.js'
import { accepted, commandMetadata, newId } from './http/command-identity.js'
import { Problem, problemBody } from './http/problem.js'
import { asQuery, type QueryReader } from './http/query.js'
import { zodBody } from './http/validation.js'
import { DATABASE, POOL } from './tokens.js'
import { renderEvents } from './wire/block-edit-wire.js'
import { type Batch, type BatchMember, batch, changeOf } from './wire/command-wire.js'

/** Several changes in one request: all or none of them in one commit, or each for itself. */
@Controller('v1/commands')
export class CommandsController {
  private readonly reads: Reads

  constructor(
    private readonly bus: CommandBus,
    @Inject(DATABASE) db: Database,
    @Inject(POOL) pool: Pool,
  ) {
    this.reads = { db, pool }
  }

  @Post()
  async run(
    @Body(zodBody(batch)) { commands, atomic }: Batch,
    @Query(asQuery) query: QueryReader,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    query.only('dry_run')
    const by = commandMetadata(request)
    if (by.dryRun && !atomic) {
      throw new Problem('invalid_query', 'dry_run tries an atomic batch', {
        facts: { parameter: 'dry_run' },
        hint: 'Send atomic: true, or try the commands one by one.',
      })
    }
    const edits = await Promise.all(
      commands.map((member, i) => this.#edit(member, () => newId(request, 'block', i))),
    )
    return atomic ? this.#together(edits, by, reply) : this.#eachForItself(edits, by, request)
  }

  async #edit(member: BatchMember, newBlockId: () => string): Promise<BlockEdit> {
    const blockId = member.block_id ?? newBlockId()
    const { base_version: baseVersion = null, if_match: ifMatch = null } = member
    const change =
      member.type === 'restore'
        ? await restoration(this.reads, blockId, member.version)
        : changeOf(member)
    return { blockId, change, baseVersion, ifMatch }
  }

  async #together(
    edits: readonly BlockEdit[],
    by: CommandMetadata,
    reply: FastifyReply,
  ): Promise<object> {
    const outcome = await this.bus.execute(new ChangeBlocks(edits, by))
    const { value, events } = accepted(outcome, reply)
    const results = value.map((changed) => ({ status: 'ok', ...changed }))
    return by.dryRun
      ? { dry_run: true, atomic: true, results, events: renderEvents(events) }
      : { atomic: true, results }
  }

  /** In order on each block; those on different blocks do not wait for each other. */
  async #eachForItself(
    edits: readonly BlockEdit[],
    by: CommandMetadata,
    request: Exchange['request'],
  ): Promise<object> {
    const results = new Array<object>(edits.length)
    const last = new Map<string, Promise<void>>()
    for (const [i, edit] of edits.entries()) {
      const before = last.get(edit.blockId) ?? Promise.resolve()
      const done = before.then(async () => {
        results[i] = await this.#alone(edit, memberOf(by, i), request)
      })
      last.set(edit.blockId, done)
    }
    await Promise.all(last.values())
    return { atomic: false, results }
  }

  async #alone(
    { blockId, change, baseVersion = null, ifMatch = null }: BlockEdit,
    by: CommandMetadata,
    request: Exchange['request'],
  ): Promise<object> {
    const metadata = { ...by, baseVersion, ifMatch }
    const outcome = await this.bus.execute(new ChangeBlock(blockId, change, metadata))
    if (outcome.ok) return { ...outcome.value, status: 'ok' }
    const problem = Problem.of(outcome.rejection, baseVersion)
    const refusal = problemBody(problem, request.id)
    return { status: 'rejected', block_id: blockId, error: refusal }
  }
}

/** Each member has an id of its own under the key of the request. */
function memberOf(by: CommandMetadata, i: number): CommandMetadata {
  return by.command ? { ...by, command: { ...by.command, id: `${by.command.id}/${i}` } } : by
}
