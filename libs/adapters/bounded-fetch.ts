/** How long and how large an answer may be. A body is also bounded by the caller's own total. */
export interface ReplyLimits {
  /** From the request to the first byte of the answer. */
  readonly firstByteMs: number
  /** Between two pieces of the body. */
  readonly idleMs: number
  readonly bytesMax: number
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
 * its headers and then nothing holds the caller for as long as it likes: SDKs time the headers only.
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
