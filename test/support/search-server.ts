import { type LoopbackRequest, sendJson } from '#adapters/loopback-server.js'
import { type AnyStep, ScriptedServer } from './scripted-server.js'

export interface SearchAnswer {
  readonly results: readonly ScriptedResult[]
}

/** Keys as Exa spells them. */
export interface ScriptedResult {
  readonly url: string
  readonly title?: string | null
  readonly publishedDate?: string
  readonly author?: string | null
  readonly text?: string
  readonly highlights?: readonly string[]
  readonly summary?: string
}

export interface SearchServerRequest {
  readonly apiKey: string | null
  readonly query: string
  /** The whole body as it was sent. */
  readonly body: Readonly<Record<string, unknown>>
}

export type SearchStep = AnyStep<SearchAnswer, SearchServerRequest>

/** A server that speaks Exa's `POST /search` and finds what the test wrote down. */
export class ScriptedSearchServer {
  private readonly server = new ScriptedServer<SearchAnswer, SearchServerRequest>(
    readRequest,
    ({ results }, _request, response) =>
      sendJson(response, 200, {
        requestId: 'scripted',
        results: results.map((result) => ({ id: result.url, title: null, ...result })),
      }),
    () => false,
  )

  static async start(): Promise<ScriptedSearchServer> {
    const server = new ScriptedSearchServer()
    await server.server.start()
    return server
  }

  /** What EXA_BASE_URL takes. */
  get url(): string {
    return this.server.url
  }

  get requests(): readonly SearchServerRequest[] {
    return this.server.requests
  }

  get unexpected(): readonly SearchServerRequest[] {
    return this.server.unexpected
  }

  /** Adds steps, one for each request to come, in order. */
  script(steps: readonly SearchStep[]): this {
    this.server.add(steps)
    return this
  }

  /** Asks this function first; where it returns undefined the script goes on. */
  routeBy(route: (request: SearchServerRequest) => SearchStep | undefined): this {
    this.server.routeBy(route)
    return this
  }

  requestsArrived(count: number): Promise<void> {
    return this.server.until(() => this.requests.length >= count)
  }

  /** @throws Error naming steps nobody asked for and requests nobody expected. */
  assertConsumed(): void {
    this.server.assertConsumed()
  }

  reset(): void {
    this.server.reset()
  }

  close(): Promise<void> {
    return this.server.close()
  }
}

function readRequest(request: LoopbackRequest): SearchServerRequest | null {
  if (request.method !== 'POST' || request.path !== '/search') return null
  const body = JSON.parse(request.body)
  const key = request.headers['x-api-key']
  return { apiKey: typeof key === 'string' ? key : null, query: body.query, body }
}
