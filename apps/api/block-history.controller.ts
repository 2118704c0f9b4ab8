import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common'
import type { FastifyReply } from 'fastify'
import type { Pool } from 'pg'
import { unifiedDiff } from '#domain/diff.js'
import type { Database } from '#postgres/database.js'
import { readServerKey } from '#postgres/server-key.js'
import { Blames } from '#read-models/blame.js'
import { compareVersions, diffHunks } from '#read-models/diff.js'
import { blockHistory } from '#read-models/history.js'
import { blockRejections } from '#read-models/rejections.js'
import { pathId } from './http/path-id.js'
import { Problem } from './http/problem.js'
import { asQuery, invalidCursor, LIMIT_MAX, type QueryReader } from './http/query.js'
import { blockNotFound, versionFromFuture } from './missing.js'
import { TENANT } from './tenant.js'
import { DATABASE, POOL } from './tokens.js'
import {
  blameCursor,
  rejectionCursor,
  renderBlame,
  renderDiff,
  renderHistory,
  renderRejections,
  versionCursor,
} from './wire/history-wire.js'

const HISTORY_LIMIT = 100
const REJECTIONS_LIMIT = 100
const VERSION_MAX = 2_147_483_647

/** How a block came to be what it is: of deleted blocks too. */
@Controller('v1/blocks/:block_id')
export class BlockHistoryController {
  private readonly blames: Blames

  constructor(
    @Inject(DATABASE) private readonly db: Database,
    @Inject(POOL) private readonly pool: Pool,
  ) {
    this.blames = new Blames(pool)
  }

  @Get('history')
  async history(
    @Param('block_id', pathId('block')) id: string,
    @Query(asQuery) query: QueryReader,
  ) {
    query.only('after', 'limit', 'order')
    const history = await blockHistory(this.pool, TENANT, id, {
      after: versionCursor(query.text('after')),
      limit: query.integer('limit', { min: 1, max: LIMIT_MAX }) ?? HISTORY_LIMIT,
      order: query.choice('order', ['asc', 'desc']) ?? 'asc',
    })
    if (!history) throw blockNotFound(id)
    return renderHistory(history)
  }

  /** Who wrote which words. The pages of a list are of one version, which its cursors name. */
  @Get('blame')
  async blame(@Param('block_id', pathId('block')) id: string, @Query(asQuery) query: QueryReader) {
    query.only('at_version', 'after', 'limit')
    const asked = query.integer('at_version', { min: 1, max: VERSION_MAX })
    const limit = query.integer('limit', { min: 1, max: LIMIT_MAX }) ?? LIMIT_MAX
    const cursor = query.text('after')
    const after = blameCursor(cursor)
    if (cursor !== undefined && after && asked !== undefined && after.version !== asked) {
      throw invalidCursor(cursor)
    }
    const version = asked ?? after?.version
    const page = { from: after?.from ?? 0, limit }
    const blame = await this.blames.page(TENANT, id, version, page)
    if (!blame) throw blockNotFound(id)
    if ('head' in blame) throw versionFromFuture(id, blame.head, version as number)
    return renderBlame(id, blame)
  }

  /** What changed between two versions, word by word, and who did it; or as a unified diff. */
  @Get('diff')
  async diff(
    @Param('block_id', pathId('block')) id: string,
    @Query(asQuery) query: QueryReader,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    query.only('from', 'to', 'format')
    const from = query.integer('from', { min: 0, max: VERSION_MAX })
    const to = query.integer('to', { min: 1, max: VERSION_MAX })
    const format = query.choice('format', ['words', 'unified']) ?? 'words'
    if (from !== undefined && to !== undefined && from > to) throw backwards(from, to)
    const compared = await compareVersions(this.pool, TENANT, id, { from, to })
    if (!compared) throw blockNotFound(id)
    if ('head' in compared) throw versionFromFuture(id, compared.head, Math.max(from ?? 0, to ?? 0))
    if (format === 'unified') {
      reply.header('content-type', 'text/plain; charset=utf-8')
      return unifiedDiff(compared.from, compared.to)
    }
    const hunks = await diffHunks(this.pool, this.blames, TENANT, id, compared)
    return renderDiff(id, compared, hunks)
  }

  /** Commands that were refused, newest first. */
  @Get('rejections')
  async rejections(
    @Param('block_id', pathId('block')) id: string,
    @Query(asQuery) query: QueryReader,
  ) {
    query.only('after', 'limit')
    const cursor = query.text('after')
    const after = rejectionCursor(cursor)
    const limit = query.integer('limit', { min: 1, max: LIMIT_MAX }) ?? REJECTIONS_LIMIT
    const key = await readServerKey(this.db, 'context')
    const page = await blockRejections(this.pool, key, TENANT, id, { after, limit })
    if (!page) throw blockNotFound(id)
    if ('unknownCursor' in page) throw invalidCursor(cursor as string)
    return renderRejections(page)
  }
}

/** A difference is told forwards: who took words away, and who wrote those that came. */
function backwards(from: number, to: number): Problem {
  return new Problem('invalid_query', `The query parameter from is above to (${from} > ${to})`, {
    facts: { parameter: 'from' },
    hint: 'Name the older version as from and the newer one as to.',
  })
}
