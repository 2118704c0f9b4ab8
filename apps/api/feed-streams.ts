import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common'
import type { Feed } from '#event-store/feed.js'
import type { FeedEvent, FeedFilter } from '#event-store/feed-event.js'
import type { Exchange } from './block-change.js'
import { EventStream } from './http/event-stream.js'
import { TENANT } from './tenant.js'
import { EVENT_STREAMS, FEED } from './tokens.js'
import { renderEvent } from './wire/event-wire.js'

/** Limits of each stream of events. */
export interface EventStreamLimits {
  /** Between two heartbeats, and how long a reader may take nothing, in milliseconds. */
  readonly heartbeatMs: number
  /** Events kept for a reader that is busy. */
  readonly bufferMax: number
}

export const EVENT_STREAM_LIMITS: EventStreamLimits = { heartbeatMs: 15_000, bufferMax: 1_000 }

/** Events a stream reads at a time while it is behind: nobody else shares them. */
const WINDOW = 100

/** What a reader follows, and how it names the places from which it can go on. */
export interface Followed {
  /** A position, exclusive. */
  readonly after: number
  readonly filter: FeedFilter
  readonly firstId: string
  idOf(event: FeedEvent): string
  /** After there was nothing for a while; null: the last id still stands. */
  idAt(position: number): string | null
}

/** The feed as server-sent events, with bounded memory for each reader. */
@Injectable()
export class FeedStreams implements OnModuleDestroy {
  private readonly stopping = new AbortController()

  constructor(
    @Inject(FEED) private readonly feed: Feed,
    @Inject(EVENT_STREAMS) private readonly limits: EventStreamLimits,
  ) {}

  /** Streams end first, and whoever reads one resumes elsewhere. */
  onModuleDestroy(): void {
    this.stopping.abort()
  }

  /** Answers until the client is gone, cannot keep up, or the process stops. */
  async serve({ request, reply }: Exchange, followed: Followed): Promise<void> {
    const out = new EventStream(request, reply)
    try {
      await this.follow(out, followed)
    } finally {
      out.end()
    }
  }

  private async follow(out: EventStream, { after, filter, ...ids }: Followed): Promise<void> {
    const { heartbeatMs, bufferMax } = this.limits
    const signal = AbortSignal.any([this.stopping.signal, out.gone])
    let id = ids.firstId
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
      const last = events.at(-1)
      id = ids.idAt(position) ?? (last ? ids.idOf(last) : id)
      out.send(events.map((event) => ({ id: ids.idOf(event), data: renderEvent(event) })))
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
}
