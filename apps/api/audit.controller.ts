import { Controller, Get, Inject, Param, Query } from '@nestjs/common'
import type { Pool } from 'pg'
import { checkpointUpTo, listCheckpoints, newestCheckpoint } from '#event-store/checkpoint-table.js'
import { proveConsistency, proveInclusion } from '#event-store/proofs.js'
import { verifyStream } from '#event-store/verify-stream.js'
import { pathId } from './http/path-id.js'
import { Problem } from './http/problem.js'
import { asQuery, invalidCursor, LIMIT_MAX, type QueryReader } from './http/query.js'
import { blockNotFound, versionFromFuture } from './missing.js'
import { TENANT } from './tenant.js'
import { POOL } from './tokens.js'
import {
  renderCheckpoint,
  renderConsistency,
  renderInclusion,
  renderVerification,
} from './wire/audit-wire.js'

const CHECKPOINTS_LIMIT = 100
const VERSION_MAX = 2_147_483_647

/** What proves that the history was not changed. */
@Controller('v1')
export class AuditController {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** Signed checkpoints by size: a client that remembers one refuses a server that lost it. */
  @Get('audit/checkpoints')
  async checkpoints(@Query(asQuery) query: QueryReader) {
    query.only('after', 'limit', 'order')
    const limit = query.integer('limit', { min: 1, max: LIMIT_MAX }) ?? CHECKPOINTS_LIMIT
    const order = query.choice('order', ['asc', 'desc']) ?? 'asc'
    const first = order === 'asc' ? 0 : Number.MAX_SAFE_INTEGER
    const after = sizeCursor(query.text('after')) ?? first
    const rows = await listCheckpoints(this.pool, TENANT, { after, limit: limit + 1, order })
    const data = rows.slice(0, limit)
    const more = rows.length > limit
    return {
      object: 'list',
      data: data.map(renderCheckpoint),
      has_more: more,
      next_cursor: more ? String(data.at(-1)?.size) : null,
    }
  }

  /** That the log of `to` events (the newest checkpoint) begins with the log of `from` events. */
  @Get('audit/consistency')
  async consistency(@Query(asQuery) query: QueryReader) {
    query.only('from', 'to')
    const range = { min: 1, max: Number.MAX_SAFE_INTEGER }
    const to = query.integer('to', range)
    const checkpoint =
      to === undefined
        ? await newestCheckpoint(this.pool, TENANT)
        : await checkpointUpTo(this.pool, TENANT, { size: to })
    if (to !== undefined && checkpoint?.size !== to) throw noCheckpoint('to', to)
    const from = query.integer('from', range) ?? checkpoint?.size ?? 0
    if (from > (checkpoint?.size ?? 0)) throw noCheckpoint('from', from)
    const proof = checkpoint && from > 0 ? await proveConsistency(this.pool, from, checkpoint) : []
    return renderConsistency(from, checkpoint?.size ?? 0, proof)
  }

  /** Reads the block's whole history: its chain, and its text against its events. */
  @Get('blocks/:block_id/verify')
  async verify(@Param('block_id', pathId('block')) id: string, @Query(asQuery) query: QueryReader) {
    query.only()
    const verification = await verifyStream(this.pool, TENANT, id)
    if (verification.version === 0 && !verification.first) throw blockNotFound(id)
    const checkpoint = await newestCheckpoint(this.pool, TENANT)
    const signed = await this.signedVersion(id, checkpoint?.position ?? 0)
    return renderVerification(id, verification, signed)
  }

  /** That the block's event of a version (the newest) is covered by the newest checkpoint. */
  @Get('blocks/:block_id/proof')
  async proof(@Param('block_id', pathId('block')) id: string, @Query(asQuery) query: QueryReader) {
    query.only('version')
    const asked = query.integer('version', { min: 1, max: VERSION_MAX })
    const { rows } = await this.pool.query<{ version: number; position: string; hash: Buffer }>(
      `select version, position, hash from events where tenant_id = $1 and stream_id = $2 and version <= $3
        order by version desc limit 1`,
      [TENANT, id, asked ?? VERSION_MAX],
    )
    const [event] = rows
    if (!event) throw blockNotFound(id)
    if (asked !== undefined && event.version !== asked) {
      throw versionFromFuture(id, event.version, asked)
    }
    const checkpoint = await newestCheckpoint(this.pool, TENANT)
    const inclusion =
      checkpoint && (await proveInclusion(this.pool, checkpoint, Number(event.position)))
    return renderInclusion({ blockId: id, ...event }, checkpoint, inclusion)
  }

  /** The newest version that a checkpoint covers. */
  private async signedVersion(id: string, position: number): Promise<number> {
    const { rows } = await this.pool.query<{ version: number }>(
      `select version from events where tenant_id = $1 and stream_id = $2 and position <= $3
        order by version desc limit 1`,
      [TENANT, id, position],
    )
    return rows[0]?.version ?? 0
  }
}

/** A size, which is what `next_cursor` holds. */
function sizeCursor(text: string | undefined): number | null {
  if (text === undefined) return null
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw invalidCursor(text)
}

function noCheckpoint(parameter: string, size: number): Problem {
  return new Problem('invalid_query', `There is no checkpoint of ${size} events`, {
    facts: { parameter },
    hint: 'GET /v1/audit/checkpoints lists the sizes there are.',
  })
}
