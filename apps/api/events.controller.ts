import { Controller, Get, Inject, Query, Req, Res } from '@nestjs/common'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { decodeCursor, encodeCursor } from '#event-store/cursor.js'
import type { Feed } from '#event-store/feed.js'
import { FeedStreams } from './feed-streams.js'
import { asQuery, invalidCursor, LIMIT_MAX, type QueryReader } from './http/query.js'
import { singleHeader } from './http/request-context.js'
import { TENANT } from './tenant.js'
import { FEED } from './tokens.js'
import { eventFilter, renderEvent } from './wire/event-wire.js'

const LIMIT = 100
/** What a page waits for the newest commits to become certain. */
const CERTAIN_MS = 250
const NOW = 'now'

/** The log, across all streams, in one order: no committed event is ever skipped. */
@Controller('v1/events')
export class EventsController {
  constructor(
    @Inject(FEED) private readonly feed: Feed,
    private readonly streams: FeedStreams,
  ) {}

  @Get()
  async list(@Query(asQuery) query: QueryReader) {
    query.only('after', 'types', 'agent', 'block', 'limit')
    const limit = query.integer('limit', { min: 1, max: LIMIT_MAX }) ?? LIMIT
    const filter = eventFilter(query)
    await this.feed.caughtUp(CERTAIN_MS)
    const after = await this.position(query.text('after'))
    const page = await this.feed.read(TENANT, after, limit, filter)
    return {
      object: 'list',
      data: page.events.map(renderEvent),
      has_more: page.hasMore,
      // Never null: whoever has seen everything asks again from here.
      next_cursor: encodeCursor(TENANT, page.position),
    }
  }

  /** The same, live. `Last-Event-ID`, which browsers send when they connect again, wins over `after`. */
  @Get('stream')
  async stream(
    @Query(asQuery) query: QueryReader,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    query.only('after', 'types', 'agent', 'block')
    const filter = eventFilter(query)
    const cursor = singleHeader(request, 'last-event-id') ?? query.text('after')
    if (cursor === NOW) await this.feed.caughtUp(CERTAIN_MS)
    const after = await this.position(cursor)
    await this.streams.serve(
      { request, reply },
      {
        after,
        filter,
        firstId: encodeCursor(TENANT, after),
        idOf: ({ tenantId, position }) => encodeCursor(tenantId, position),
        idAt: (position) => encodeCursor(TENANT, position),
      },
    )
  }

  /** @throws Problem invalid_cursor */
  private async position(cursor: string | undefined): Promise<number> {
    if (cursor === undefined) return 0
    if (cursor === NOW) return this.feed.head
    const position = decodeCursor(TENANT, cursor)
    if (position === null || !(await this.feed.holds(position))) throw invalidCursor(cursor)
    return position
  }
}
