/** How long and how large an answer may be. A body is also bounded by the caller's own total. */
export interface ReplyLimits {
  /** From the request to the first byte of the answer. */
  readonly firstByteMs: number
  /** Between two pieces of the body. */
  readonly idleMs: number
  readonly bytesMax: number
  /** For a stream, which the caller's own total does not reach: its SDK stops counting at the headers. */
  readonly totalMs: number
}

/** The answer did not come in time. Named so that no SDK takes its name for a timeout of its own. */
export class ReplyLate extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ReplyLate'
  }
}

/** The answer is larger than anything a model writes. */
export class ReplyTooLarge extends Error {
  constructor(readonly bytesMax: number) {
    super(`the answer is larger than ${bytesMax} bytes`)
    this.name = 'ReplyTooLarge'
  }
}

/**
 * A `fetch` that reads the whole body before it returns, within limits. Without it a server that sends
 * its headers and then nothing holds the caller for as long as it likes: SDKs time the headers only. The
 * body of a stream of events is passed on as it comes, within the same limits.
 *
 * @throws ReplyLate, ReplyTooLarge, and what `fetch` throws (the signal's reason on an abort).
 */
export function boundedFetch(limits: ReplyLimits): typeof fetch {
  return async (input, init) => {
    const late = new AbortController()
    const signal = init?.signal ? AbortSignal.any([init.signal, late.signal]) : late.signal
    const expire = (message: string, ms: number) =>
      setTimeout(() => late.abort(new ReplyLate(`${message} within ${ms} ms`)), ms)
    let timer = expire('no first byte came', limits.firstByteMs)
    try {
      const response = await fetch(input, { ...init, signal })
      if (!response.body) return response
      if (isEventStream(response)) return passedOn(response, response.body, limits, late)
      const chunks: Uint8Array[] = []
      let bytes = 0
      const reader = response.body.getReader()
      for (;;) {
        clearTimeout(timer)
        timer = expire('no further byte came', limits.idleMs)
        const { done, value } = await reader.read()
        if (done) break
        bytes += value.byteLength
        if (bytes > limits.bytesMax) {
          await reader.cancel()
          throw new ReplyTooLarge(limits.bytesMax)
        }
        chunks.push(value)
      }
      const { status, statusText, headers } = response
      return new Response(Buffer.concat(chunks), { status, statusText, headers })
    } finally {
      clearTimeout(timer)
    }
  }
}

export function isEventStream({ headers }: Response): boolean {
  return headers.get('content-type')?.startsWith('text/event-stream') ?? false
}

/** The headers of a stream come at once: its first byte is given as long as any answer's. */
function passedOn(
  { status, statusText, headers }: Response,
  body: ReadableStream<Uint8Array>,
  limits: ReplyLimits,
  late: AbortController,
): Response {
  const reader = body.getReader()
  const expire = (message: string, ms: number) =>
    setTimeout(() => late.abort(new ReplyLate(`${message} within ${ms} ms`)), ms)
  const total = expire('the stream did not end', limits.totalMs)
  let bytes = 0
  const read = async (): Promise<Uint8Array | undefined> => {
    const timer =
      bytes === 0
        ? expire('no first byte came', limits.firstByteMs)
        : expire('no further byte came', limits.idleMs)
    try {
      const { value } = await reader.read()
      bytes += value?.byteLength ?? 0
      if (bytes > limits.bytesMax) throw new ReplyTooLarge(limits.bytesMax)
      return value
    } finally {
      clearTimeout(timer)
    }
  }
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const value = await read()
        if (value) return controller.enqueue(value)
        clearTimeout(total)
        controller.close()
      } catch (error) {
        clearTimeout(total)
        await reader.cancel().catch(() => {})
        controller.error(error)
      }
    },
    cancel(reason) {
      clearTimeout(total)
      return reader.cancel(reason)
    },
  })
  return new Response(stream, { status, statusText, headers })
}
