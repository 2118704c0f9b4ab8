import { Controller, Get, Inject, type OnModuleDestroy, Query, Req, Res } from '@nestjs/common'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { decodeCursor, encodeCursor } from '#event-store/cursor.js'
import type { Feed } from '#event-store/feed.js'
import type { FeedFilter } from '#event-store/feed-event.js'
import { EventStream } from './http/event-stream.js'
import { asQuery, invalidCursor, LIMIT_MAX, type QueryReader } from './http/query.js'
import { singleHeader } from './http/request-context.js'
import { TENANT } from './tenant.js'
import { EVENT_STREAMS, FEED } from './tokens.js'
import { eventFilter, renderEvent } from './wire/event-wire.js'

/** Limits of each stream of events. */
export interface EventStreamLimits {
  /** Between two heartbeats, and how long a reader may take nothing, in milliseconds. */
  readonly heartbeatMs: number
  /** Events kept for a reader that is busy. */
  readonly bufferMax: number
}

export const EVENT_STREAM_LIMITS: EventStreamLimits = { heartbeatMs: 15_000, bufferMax: 1_000 }

const LIMIT = 100
/** What a page waits for the newest commits to become certain. */
const CERTAIN_MS = 250
/** Events a stream reads at a time while it is behind: nobody else shares them. */
const WINDOW = 100
const NOW = 'now'

/** The log, across all streams, in one order: no committed event is ever skipped. */
@Controller('v1/events')
export class EventsController implements OnModuleDestroy {
  private readonly stopping = new AbortController()

  constructor(
    @Inject(FEED) private readonly feed: Feed,
    @Inject(EVENT_STREAMS) private readonly limits: EventStreamLimits,
  ) {}

  /** Streams end first, and whoever reads one resumes elsewhere. */
  onModuleDestroy(): void {
    this.stopping.abort()
  }

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
    const out = new EventStream(request, reply)
    try {
      await this.follow(out, after, filter)
    } finally {
      out.end()
    }
  }

  private async follow(out: EventStream, after: number, filter: FeedFilter): Promise<void> {
    const { heartbeatMs, bufferMax } = this.limits
    const signal = AbortSignal.any([this.stopping.signal, out.gone])
    let id = encodeCursor(TENANT, after)
    // At once, so that a client cut before the first event resumes from where it began.
    out.send([{ id }])
    let overflow = new AbortController()
    const options = {
      tenantId: TENANT,
      after,
      filter,
      signal,
      bufferMax,
      windowMax: WINDOW,
      idleMs: heartbeatMs,
      onOverflow: () => overflow.abort(),
    }
    for await (const { events, position } of this.feed.follow(options)) {
      id = encodeCursor(TENANT, position)
      out.send(events.map((event) => ({ id: cursorOf(event), data: renderEvent(event) })))
      if (events.length === 0) {
        out.send([{ id }])
        out.beat()
      }
      overflow = new AbortController()
      const patience = AbortSignal.timeout(heartbeatMs)
      await out.room(AbortSignal.any([signal, overflow.signal, patience]))
      if (out.hasRoom || signal.aborted) continue
      // It takes less than there is. Cut, it resumes from the log, and nothing is kept for it here.
      out.send([{ event: 'lagged', data: { cursor: id } }])
      return
    }
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

function cursorOf(event: { readonly tenantId: string; readonly position: number }): string {
  return encodeCursor(event.tenantId, event.position)
}
