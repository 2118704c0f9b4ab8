import { randomUUID } from 'node:crypto'
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common'
import type { RunLog } from '#turns/run-log.js'
import type { RunLogs } from '#turns/run-logs.js'
import type { Exchange } from './block-change.js'
import { isLegacyClient } from './http/client-version.js'
import { EventStream, type StreamMessage } from './http/event-stream.js'
import { invalidCursor } from './http/query.js'
import { RUN_LOGS, RUN_STREAMS } from './tokens.js'
import { chunksAfter } from './wire/run-chunks.js'
import { idOf, type RunCursor, seqOf } from './wire/run-cursor.js'
import { runMessagesAfter } from './wire/run-event-wire.js'
import { DONE, streamText } from './wire/stream-text.js'
import { wireTime } from './wire/time-wire.js'

/** Limits of the streams of runs, in milliseconds. */
export interface RunStreamLimits {
  /** Silence after which a stream says that it is there. */
  readonly pingMs: number
  /** A stream that has had nothing else to say for so long is ended. */
  readonly silenceMs: number
  /** How long a reader may take nothing while there is something. */
  readonly patienceMs: number
}

export const RUN_STREAM_LIMITS: RunStreamLimits = {
  pingMs: 20_000,
  silenceMs: 1_800_000,
  patienceMs: 15_000,
}

/** One way to tell a run: what there is behind where the reader stands, and what keeps a silence. */
interface Telling {
  /** Messages that go out together. Who asks for more has sent them. */
  next(log: RunLog): Generator<readonly StreamMessage[], void, undefined>
  ping(): StreamMessage | null
  /** Nothing is told any more, until somebody asks again. */
  isAtEnd(log: RunLog): boolean
  /** The last word to who takes less than there is. */
  lagged(): readonly StreamMessage[]
  end(): readonly StreamMessage[]
}

/** Runs as server-sent events. No reader has a buffer of its own: each stands somewhere in the run's log. */
@Injectable()
export class RunStreams implements OnModuleDestroy {
  private readonly stopping = new AbortController()

  constructor(
    @Inject(RUN_LOGS) private readonly logs: RunLogs,
    @Inject(RUN_STREAMS) private readonly limits: RunStreamLimits,
  ) {}

  /** Streams end first, and whoever reads one resumes elsewhere. */
  onModuleDestroy(): void {
    this.stopping.abort()
  }

  /**
   * In Letta's form: a ping with the run's id, chunks, `[DONE]`.
   *
   * @param reader `isThere`: the run has come that far, whether it has been read here yet or not
   * @throws Problem invalid_cursor
   */
  async serveLetta(
    exchange: Exchange,
    runId: string,
    reader: { readonly after: RunCursor; readonly pings: boolean; readonly isThere?: true },
  ): Promise<void> {
    const isLegacy = isLegacyClient(exchange.request)
    const { after, pings, isThere } = reader
    let at = after
    const ping = (): StreamMessage => ({ data: streamText(pingChunk(runId, at)) })
    const telling: Telling = {
      *next(log) {
        for (const { cursor, event, data } of chunksAfter(log, at, isLegacy)) {
          yield [{ ...(event ? { event } : {}), data: streamText(data) }]
          at = cursor
        }
      },
      isAtEnd: (log) => log.isAtRest,
      ping: () => (pings ? ping() : null),
      lagged: () => [],
      end: () => [{ data: DONE }],
    }
    await this.#serve(exchange, runId, at, telling, isThere)
  }

  /**
   * In our own form: events under their names, with ids to resume from.
   *
   * @throws Problem invalid_cursor
   */
  async serveEvents(exchange: Exchange, runId: string, after: RunCursor): Promise<void> {
    let at = after
    let heard: RunCursor | null = after.offset > 0 ? after : null
    await this.#serve(exchange, runId, at, {
      *next(log) {
        for (const { cursor, messages } of runMessagesAfter(log, { ...at, offset: 0 }, heard)) {
          yield messages
          if (cursor.offset > 0) heard = cursor
          else at = cursor
        }
      },
      isAtEnd: (log) => log.isOver,
      ping: () => null,
      lagged: () => {
        const stands = heard?.version === at.version ? heard : at
        return [{ event: 'lagged', data: { cursor: idOf(stands) } }]
      },
      end: () => [],
    })
  }

  async #serve(
    exchange: Exchange,
    runId: string,
    after: RunCursor,
    telling: Telling,
    isThere = false,
  ): Promise<void> {
    const log = this.logs.follow(runId)
    // One signal for each reader: many listeners on one are taken for a leak.
    const stopping = AbortSignal.any([this.stopping.signal])
    try {
      const isBehind = (): boolean => !log.isRead || (isThere && log.version < after.version)
      while (isBehind() && !stopping.aborted) await log.news(stopping, this.limits.pingMs)
      const isNative = telling.end().length === 0
      if (after.version > log.version) {
        throw invalidCursor(isNative ? idOf(after) : String(seqOf(after)))
      }
      if (isNative && log.isOver && after.version === log.version) {
        // A browser would connect again for ever: this tells it not to.
        exchange.reply.status(204).send()
        return
      }
      const out = new EventStream(exchange.request, exchange.reply, isNative)
      try {
        await this.#tell(out, log, telling)
      } finally {
        out.end()
      }
    } finally {
      this.logs.leave(runId)
    }
  }

  async #tell(out: EventStream, log: RunLog, telling: Telling): Promise<void> {
    const { pingMs, silenceMs } = this.limits
    const signal = AbortSignal.any([this.stopping.signal, out.gone])
    const first = telling.ping()
    if (first) out.send([first])
    let spokeAt = performance.now()
    while (!signal.aborted) {
      for (const messages of telling.next(log)) {
        if (!(await this.#fits(out, signal)))
          return out.send(signal.aborted ? [] : telling.lagged())
        // One write for each message.
        for (const message of messages) out.send([message])
        spokeAt = performance.now()
      }
      if (telling.isAtEnd(log)) return out.send(telling.end())
      const hasNews = await log.news(signal, pingMs)
      if (performance.now() - spokeAt > silenceMs) return
      if (hasNews) continue
      const ping = telling.ping()
      if (ping) out.send([ping])
      else out.beat()
    }
  }

  /** False: it takes less than there is. Cut, it resumes from the log, and nothing is kept for it here. */
  async #fits(out: EventStream, signal: AbortSignal): Promise<boolean> {
    if (out.hasRoom) return !signal.aborted
    await out.room(AbortSignal.any([signal, AbortSignal.timeout(this.limits.patienceMs)]))
    return out.hasRoom && !signal.aborted
  }
}

function pingChunk(runId: string, at: RunCursor): object {
  return {
    id: `ping-${randomUUID()}`,
    date: wireTime(new Date()),
    message_type: 'ping',
    run_id: runId,
    seq_id: seqOf(at),
  }
}
