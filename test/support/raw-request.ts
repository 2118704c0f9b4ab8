import { connect } from 'node:net'

/** A response as it came over the socket. */
export interface RawResponse {
  readonly status: number
  /** Lower-case names; of repeated headers the last value. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface RawRequest {
  readonly method?: string
  readonly path: string
  /** Added to `host` and, with a body, `content-type` and `content-length`; null leaves one out. */
  readonly headers?: Readonly<Record<string, string | null>>
  readonly body?: string | Uint8Array
}

export interface SendOptions {
  /** Sends these pieces one by one, `everyMs` apart, after the first bytes; stops when answered. */
  readonly drip?: { readonly pieces: Iterable<Uint8Array>; readonly everyMs: number }
  /** Ends our side after sending, as a client that goes away in the middle does. */
  readonly halfClose?: boolean
  /** How many pipelined responses to read. */
  readonly responses?: number
  readonly timeoutMs?: number
}

/** The bytes of an HTTP/1.1 request, exactly as described: nothing is corrected. */
export function requestBytes(request: RawRequest): Buffer {
  const body = Buffer.from(request.body ?? '')
  const framing = {
    'content-type': 'application/json',
    'content-length': String(body.length),
  }
  const headers: Record<string, string | null> = {
    host: '127.0.0.1',
    ...(request.body === undefined ? {} : framing),
    ...request.headers,
  }
  const lines = Object.entries(headers)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `${request.method ?? 'GET'} ${request.path} HTTP/1.1\r\n${lines.join('')}\r\n`
  // Latin-1: header bytes go out one for one.
  return Buffer.concat([Buffer.from(head, 'latin1'), body])
}

/** Sends one request over a socket of its own. */
export async function send(
  port: number,
  request: RawRequest,
  options: SendOptions = {},
): Promise<RawResponse> {
  const [response] = await sendBytes(port, requestBytes(request), options)
  return response as RawResponse
}

/** Sends bytes over a socket of their own and reads as many responses as asked for (1). */
export function sendBytes(
  port: number,
  bytes: Uint8Array,
  options: SendOptions = {},
): Promise<RawResponse[]> {
  const wanted = options.responses ?? 1
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let received = Buffer.alloc(0)
    let drip: NodeJS.Timeout | undefined
    const finish = (done: () => void) => {
      clearInterval(drip)
      clearTimeout(patience)
      socket.destroy()
      done()
    }
    const patience = setTimeout(
      () => finish(() => reject(new Error(`no answer; received: ${received.toString('latin1')}`))),
      options.timeoutMs ?? 10_000,
    )
    const read = (closed: boolean) => {
      const responses = parseResponses(received, closed)
      if (responses.length >= wanted) finish(() => resolve(responses.slice(0, wanted)))
      else if (closed)
        finish(() => reject(new Error(`closed after: ${received.toString('latin1')}`)))
    }
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      read(false)
    })
    socket.on('close', () => read(true))
    // A server may answer and close while we still write: what counts is what it said.
    socket.on('error', () => undefined)
    socket.write(bytes)
    if (options.drip) drip = dripInto(socket, options.drip)
    if (options.halfClose) socket.end()
  })
}

function dripInto(
  socket: { write(bytes: Uint8Array): unknown; writable: boolean },
  drip: NonNullable<SendOptions['drip']>,
): NodeJS.Timeout {
  const pieces = drip.pieces[Symbol.iterator]()
  const timer = setInterval(() => {
    const piece = pieces.next()
    if (piece.done || !socket.writable) clearInterval(timer)
    else socket.write(piece.value)
  }, drip.everyMs)
  return timer
}

function parseResponses(bytes: Buffer, closed: boolean): RawResponse[] {
  const responses: RawResponse[] = []
  let rest = bytes
  for (;;) {
    const end = rest.indexOf('\r\n\r\n')
    if (end < 0) return responses
    const [first, ...lines] = rest.subarray(0, end).toString('latin1').split('\r\n')
    const headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(':')
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
      }),
    )
    const status = Number(first?.split(' ')[1])
    const after = rest.subarray(end + 4)
    const body = readBody(after, headers, closed || status === 304 || status < 200)
    if (!body) return responses
    rest = after.subarray(body.used)
    if (status >= 200) responses.push({ status, headers, body: body.bytes.toString('utf8') })
  }
}

function readBody(
  bytes: Buffer,
  headers: Record<string, string>,
  unframedIsAll: boolean,
): { bytes: Buffer; used: number } | null {
  if (headers['transfer-encoding'] === 'chunked') return readChunks(bytes)
  const declared = headers['content-length']
  if (declared === undefined) return unframedIsAll ? { bytes, used: bytes.length } : null
  const length = Number(declared)
  return bytes.length < length ? null : { bytes: bytes.subarray(0, length), used: length }
}

function readChunks(bytes: Buffer): { bytes: Buffer; used: number } | null {
  const chunks: Buffer[] = []
  let at = 0
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return null
    const size = Number.parseInt(bytes.subarray(at, lineEnd).toString('latin1'), 16)
    const end = lineEnd + 2 + size + 2
    if (bytes.length < end) return null
    if (size === 0) return { bytes: Buffer.concat(chunks), used: end }
    chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = end
  }
}

/** What is wrong with the shape of an error response; empty when it is a problem document as promised. */
export function problemFaults(response: RawResponse): string[] {
  const faults: string[] = []
  const must = (holds: boolean, what: string) => {
    if (!holds) faults.push(what)
  }
  must(response.headers['content-type'] === 'application/problem+json', 'media type')
  let body: Record<string, unknown>
  try {
    body = JSON.parse(response.body) as Record<string, unknown>
  } catch {
    return [...faults, `body is not JSON: ${response.body.slice(0, 200)}`]
  }
  const { code, detail } = body
  must(body.status === response.status, 'status member')
  must(typeof code === 'string' && /^[a-z]+(_[a-z]+)*$/.test(code), 'code')
  must(body.type === `/docs/errors/${String(code).replaceAll('_', '-')}`, 'type')
  must(typeof detail === 'string' && detail !== '' && detail === body.message, 'detail and message')
  must(typeof body.title === 'string' && typeof body.hint === 'string', 'title and hint')
  must(body.request_id === response.headers['x-request-id'], 'request_id')
  for (const error of (body.errors ?? []) as Record<string, unknown>[]) {
    must(
      ['pointer', 'code', 'message'].every((key) => typeof error[key] === 'string'),
      'errors[]',
    )
  }
  const retry = response.headers['x-should-retry']
  if (response.status === 409 || response.status === 412)
    must(retry !== undefined, 'x-should-retry')
  must((retry === 'true') === 'retry-after' in response.headers, 'retry-after')
  must(!/\bat .*\.(ts|js):\d+|node_modules|select .* from/i.test(response.body), 'internals leaked')
  return faults
}
