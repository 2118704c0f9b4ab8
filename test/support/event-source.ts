import { get, type IncomingMessage } from 'node:http'

/** A message of a stream of server-sent events, as a browser would take it. */
export interface Message {
  readonly id: string | null
  readonly event: string | null
  /** Null: nothing is dispatched, but the id counts. */
  readonly data: Record<string, unknown> | null
  readonly comment: boolean
}

/** A stream of server-sent events over a connection of its own. */
export class EventSource {
  /** What the next connection sends as `Last-Event-ID`. */
  lastId: string | null = null

  private constructor(readonly response: IncomingMessage) {}

  static open(
    url: string,
    path: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<EventSource> {
    return new Promise((resolve, reject) => {
      const request = get(`${url}${path}`, { headers, agent: false }, (response) => {
        response.on('error', () => {})
        resolve(new EventSource(response))
      })
      request.on('error', reject)
    })
  }

  /** Every message until the server ends the stream or the reader leaves the loop. */
  async *messages(): AsyncGenerator<Message, void, undefined> {
    let text = ''
    this.response.setEncoding('utf8')
    try {
      for await (const chunk of this.response) {
        text += chunk as string
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const message = parse(text.slice(0, end))
          text = text.slice(end + 2)
          if (message.id !== null) this.lastId = message.id
          yield message
        }
      }
    } catch (error) {
      if ((error as { code?: string }).code !== 'ECONNRESET') throw error
    }
  }

  /** As a client whose machine goes down. */
  cut(): void {
    this.response.socket.destroy()
  }
}

function parse(block: string): Message {
  const fields = new Map<string, string>()
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':')
    fields.set(line.slice(0, colon), line.slice(colon + 1).trimStart())
  }
  const data = fields.get('data')
  return {
    id: fields.get('id') ?? null,
    event: fields.get('event') ?? null,
    data: data === undefined ? null : (JSON.parse(data) as Record<string, unknown>),
    comment: fields.has(''),
  }
}
