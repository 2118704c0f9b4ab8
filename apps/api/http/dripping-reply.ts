import type { FastifyReply } from 'fastify'

/** When a call that waits begins to answer, and how often it then shows that it lives, in milliseconds. */
export interface Drip {
  readonly afterMs: number
  readonly everyMs: number
}

export const DRIP_LIMITS: Drip = { afterMs: 15_000, everyMs: 10_000 }

/**
 * Answers with JSON whenever that is ready: at once as usual, else 200 and a space now and then until it
 * is. Leading whitespace is JSON, so no client or proxy gives up on a call that takes long.
 */
export class DrippingReply {
  readonly #gone = new AbortController()
  readonly #raw: FastifyReply['raw']
  #timer: NodeJS.Timeout

  constructor(
    private readonly reply: FastifyReply,
    private readonly drip: Drip,
  ) {
    this.#raw = reply.raw
    this.#raw.once('close', () => this.#stop())
    this.#timer = setTimeout(() => this.#begin(), drip.afterMs)
    if (this.#raw.destroyed) this.#stop()
  }

  /** Aborted when nobody waits for the answer any more. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  /** True once the status is out: no error can be answered any more. */
  get hasBegun(): boolean {
    return this.reply.sent
  }

  end(body: object): void {
    clearTimeout(this.#timer)
    if (!this.hasBegun) void this.reply.send(body)
    else this.#raw.end(JSON.stringify(body))
  }

  /** It is answered otherwise: by an error, while that can be. */
  leave(): void {
    clearTimeout(this.#timer)
  }

  #stop(): void {
    clearTimeout(this.#timer)
    this.#gone.abort()
  }

  #begin(): void {
    this.reply.hijack()
    this.#raw.writeHead(200, {
      ...(this.reply.getHeaders() as Record<string, string>),
      'content-type': 'application/json; charset=utf-8',
    })
    this.#write()
  }

  #write(): void {
    this.#raw.write(' ')
    this.#timer = setTimeout(() => this.#write(), this.drip.everyMs)
  }
}
