import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const BODY_BYTES_MAX = 32 * 1024 * 1024

export interface LoopbackRequest {
  readonly method: string
  /** Without the query string. */
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
  /** Aborts when the client has gone away before it was answered. */
  readonly signal: AbortSignal
}

export interface LoopbackServer {
  /** `http://127.0.0.1:<port>`, no slash at the end. */
  readonly url: string
  /** Ends every connection, answered or not. May be called twice. */
  close(): Promise<void>
}

/**
 * An HTTP server on 127.0.0.1 and a free port, for stand-ins of outside services. It never keeps the
 * process alive. `answer` writes the response; what it throws becomes a 500 with the message.
 */
export async function startLoopbackServer(
  answer: (request: LoopbackRequest, response: ServerResponse) => Promise<void> | void,
): Promise<LoopbackServer> {
  const server = createServer((incoming, response) => {
    receive(incoming, response)
      .then((request) => request && answer(request, response))
      .catch((error: unknown) => sendJson(response, 500, { error: { message: String(error) } }))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: 0 }, resolve)
  })
  server.unref()
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** Answers with JSON, unless the client has gone or has its answer. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent || response.destroyed) return
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}

/** Null when the client left, or sent more than any request of ours holds. */
async function receive(
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<LoopbackRequest | null> {
  const gone = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(new Error('The client has gone away.'))
  })
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      bytes += chunk.byteLength
      if (bytes > BODY_BYTES_MAX) {
        sendJson(response, 413, { error: { message: `more than ${BODY_BYTES_MAX} bytes` } })
        return null
      }
      chunks.push(chunk)
    }
  } catch {
    return null
  }
  return {
    method: incoming.method ?? 'GET',
    path: (incoming.url ?? '/').split('?')[0] ?? '/',
    headers: incoming.headers,
    body: Buffer.concat(chunks).toString('utf8'),
    signal: gone.signal,
  }
}
