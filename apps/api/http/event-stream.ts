import type { FastifyReply, FastifyRequest } from 'fastify'

/** One message of a stream. Without `data` it only moves the id a client resumes from. */
export interface StreamMessage {
  readonly id?: string
  readonly event?: string
  /** Text goes out as it is: one line. */
  readonly data?: object | string
}

/** What a client waits before it connects again; not the same for all, so that they do not come at once. */
const RETRY_MS_MIN = 500
const RETRY_MS_SPREAD = 1_000
/** After its end a stream gets so long to be read out. */
const LINGER_MS = 15_000

/**
 * A response of server-sent events. It begins at once, with every header the reply has been given so
 * far: from here on no error can be answered, the stream can only end.
 */
export class EventStream {
  readonly #gone = new AbortController()
  readonly #raw: FastifyReply['raw']

  /** @param retries whether it tells how soon to connect again: only clients that do so understand it. */
  constructor(request: FastifyRequest, reply: FastifyReply, retries = true) {
    reply.hijack()
    this.#raw = reply.raw
    this.#raw.on('close', () => this.#gone.abort())
    this.#raw.on('error', () => this.#gone.abort())
    this.#raw.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    this.#raw.flushHeaders()
    if (request.method === 'HEAD') this.#gone.abort()
    else if (retries)
      this.#raw.write(`retry: ${RETRY_MS_MIN + Math.floor(Math.random() * RETRY_MS_SPREAD)}\n\n`)
  }

  /** Aborted when nobody reads any more. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  /** Whether what was sent so far has left, as far as the connection's buffer goes. */
  get hasRoom(): boolean {
    return !this.#raw.writableNeedDrain
  }

  send(messages: readonly StreamMessage[]): void {
    if (!this.#gone.signal.aborted) this.#raw.write(messages.map(frame).join(''))
  }

  /** A comment: it keeps the connection open through proxies. */
  beat(): void {
    if (!this.#gone.signal.aborted) this.#raw.write(': heartbeat\n\n')
  }

  /** Waits until the connection takes more, it is gone, or the signal is aborted. */
  room(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#raw.off('drain', done)
        for (const end of [signal, this.gone]) end.removeEventListener('abort', done)
        resolve()
      }
      if (this.hasRoom || signal.aborted || this.gone.aborted) return resolve()
      this.#raw.on('drain', done)
      for (const end of [signal, this.gone]) end.addEventListener('abort', done)
    })
  }

  /** What was sent still goes out, for as long as somebody reads it. */
  end(): void {
    if (this.#raw.writableEnded) return
    this.#raw.end()
    const linger = setTimeout(() => this.#raw.destroy(), LINGER_MS).unref()
    this.#raw.once('close', () => clearTimeout(linger))
  }
}

function frame({ id, event, data }: StreamMessage): string {
  const lines = [
    ...(id === undefined ? [] : [`id: ${id}\n`]),
    ...(event === undefined ? [] : [`event: ${event}\n`]),
    // JSON has no line ends of its own, so one line holds it.
    ...(data === undefined
      ? []
      : [`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n`]),
  ]
  return `${lines.join('')}\n`
}
