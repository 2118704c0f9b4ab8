import { request } from 'node:http'

type Chunk = Record<string, unknown>

/** A stream of Letta's as it came. */
export interface StreamReader {
  readonly status: number
  readonly raw: string
  readonly chunks: Chunk[]
}

export interface ReadOptions {
  /** Called with each chunk; true: the connection is cut, as by a machine that goes down. */
  readonly onChunk?: (chunk: Chunk) => boolean | undefined
}

/** Reads a stream to its end or until it is cut, without any client in between. */
export function readStream(
  url: string,
  method: string,
  path: string,
  body?: object,
  { onChunk }: ReadOptions = {},
): Promise<StreamReader> {
  const json = body === undefined ? '' : JSON.stringify(body)
  const headers = json === '' ? {} : { 'content-type': 'application/json' }
  return new Promise((resolve, reject) => {
    const asked = request(`${url}${path}`, { method, headers, agent: false }, (response) => {
      const chunks: Chunk[] = []
      let raw = ''
      let read = 0
      const end = (): void => resolve({ status: response.statusCode ?? 0, raw, chunks })
      response.setEncoding('latin1')
      response.on('data', (text: string) => {
        raw += text
        for (let at = raw.indexOf('\n\n', read); at >= 0; at = raw.indexOf('\n\n', read)) {
          const data = /^data: (\{.*)$/m.exec(raw.slice(read, at))?.[1]
          read = at + 2
          if (data === undefined) continue
          const chunk = JSON.parse(data) as Chunk
          chunks.push(chunk)
          if (!onChunk?.(chunk)) continue
          response.removeAllListeners('data')
          response.socket.destroy()
          return end()
        }
      })
      response.on('end', end)
      response.on('error', end)
    })
    asked.on('error', reject)
    asked.end(json)
  })
}

/** What a client's stream yields, in snake_case whatever the client. */
export async function chunksOf(
  stream: AsyncIterable<unknown>,
  onChunk: (chunk: Chunk) => void = () => {},
): Promise<Chunk[]> {
  const chunks: Chunk[] = []
  for await (const told of stream) {
    const chunk = Object.fromEntries(
      Object.entries(told as object).map(([key, value]) => [
        key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
        value,
      ]),
    )
    chunks.push(chunk)
    onChunk(chunk)
  }
  return chunks
}

/**
 * A run to its end over many connections: each is cut behind its first chunk, and the next goes on from
 * there on the next node.
 */
export async function readCut(urls: readonly string[], runId: string): Promise<Chunk[]> {
  const chunks: Chunk[] = []
  let after: object = {}
  for (let n = 0; ; n++) {
    const url = urls[n % urls.length] as string
    const body = { ...after, include_pings: false }
    const reader = await readStream(url, 'POST', `/v1/runs/${runId}/stream`, body, {
      onChunk: () => true,
    })
    if (reader.chunks.length === 0) return chunks
    chunks.push(...reader.chunks)
    after = { starting_after: reader.chunks.at(-1)?.seq_id }
  }
}
