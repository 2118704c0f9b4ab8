import { Controller, Get, Inject, Param, Query, Req, Res } from '@nestjs/common'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Feed } from '#event-store/feed.js'
import type { Queryable } from '#event-store/stream-reader.js'
import { headVersion, positionOf } from '#read-models/block-at.js'
import { FeedStreams } from './feed-streams.js'
import { pathId } from './http/path-id.js'
import { asQuery, invalidCursor, type QueryReader } from './http/query.js'
import { singleHeader } from './http/request-context.js'
import { blockNotFound } from './missing.js'
import { TENANT } from './tenant.js'
import { FEED, POOL } from './tokens.js'

const NOW = 'now'
/** What a reader from now on waits for the newest commits to become certain. */
const CERTAIN_MS = 250

/** One block's events as they come; their ids are its versions. */
@Controller('v1/blocks/:block_id/stream')
export class BlockStreamController {
  constructor(
    @Inject(FEED) private readonly feed: Feed,
    @Inject(POOL) private readonly reads: Queryable,
    private readonly streams: FeedStreams,
  ) {}

  /** `Last-Event-ID`, which browsers send when they connect again, wins over `after`. */
  @Get()
  async stream(
    @Param('block_id', pathId('block')) id: string,
    @Query(asQuery) query: QueryReader,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    query.only('after')
    const asked = singleHeader(request, 'last-event-id') ?? query.text('after') ?? '0'
    if (asked === NOW) await this.feed.caughtUp(CERTAIN_MS)
    const head = await headVersion(this.reads, TENANT, id)
    if (head === 0) throw blockNotFound(id)
    const version = asked === NOW ? head : versionOf(asked, head)
    await this.streams.serve(
      { request, reply },
      {
        after: await positionOf(this.reads, TENANT, id, version),
        filter: { streamId: id },
        firstId: String(version),
        idOf: (event) => String(event.version),
        idAt: () => null,
      },
    )
  }
}

function versionOf(text: string, head: number): number {
  const version = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (version <= head) return version
  throw invalidCursor(text)
}
