import type { ServerResponse } from 'node:http'
import {
  type LoopbackRequest,
  type LoopbackServer,
  startLoopbackServer,
} from '#adapters/loopback-server.js'

/** What any scripted service can do besides answering well. */
export type FaultStep =
  | {
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: unknown
    }
  /** Takes the request and never answers. */
  | { readonly hang: true }
  /** Sends headers and a first byte, then nothing more. */
  | { readonly stall: true }
  /** A 200 with exactly this text, JSON or not. */
  | { readonly raw: string; readonly contentType?: string }
  /** Promises a longer body than this and drops the connection. */
  | { readonly cut: string }

/** Any step may wait: the answer goes out when the promise has settled. */
export type Held<Step> = Step & { readonly holdUntil?: Promise<unknown> }

/** A step that is decided when the request is there. */
export interface DecidedStep<Step, Request> {
  respond(request: Request): AnyStep<Step, Request> | Promise<AnyStep<Step, Request>>
}

export type AnyStep<Step, Request> = Held<Step | FaultStep> | DecidedStep<Step, Request>

/** Decides by the request; undefined means that the script is asked. */
type Route<Step, Request> = (request: Request) => AnyStep<Step, Request> | undefined

/**
 * The part of the scripted servers that is no service's own: steps in order or by route, every request
 * on record, complaints about calls too many and steps too many.
 */
export class ScriptedServer<Step, Request> {
  readonly requests: Request[] = []
  /** Requests for which no step was left. They were answered with 400, which nobody tries again. */
  readonly unexpected: Request[] = []
  /** Requests whose client went away before it had its answer. */
  readonly abandoned: Request[] = []
  private steps: AnyStep<Step, Request>[] = []
  private route: Route<Step, Request> | null = null
  private watchers: (() => void)[] = []
  private server: LoopbackServer | null = null

  constructor(
    private readonly read: (request: LoopbackRequest) => Request | null,
    private readonly write: (step: Step, request: Request, response: ServerResponse) => void,
    /** Answers what needs no script, such as a list of models; true when it did. */
    private readonly aside: (request: LoopbackRequest, response: ServerResponse) => boolean,
  ) {}

  async start(): Promise<void> {
    this.server = await startLoopbackServer((request, response) => this.answer(request, response))
  }

  get url(): string {
    if (!this.server) throw new Error('The scripted server is not started.')
    return this.server.url
  }

  close(): Promise<void> {
    return this.server?.close() ?? Promise.resolve()
  }

  add(steps: readonly AnyStep<Step, Request>[]): void {
    this.steps.push(...steps)
  }

  routeBy(route: Route<Step, Request>): void {
    this.route = route
  }

  /** Forgets script, route and record. */
  reset(): void {
    this.steps = []
    this.route = null
    for (const list of [this.requests, this.unexpected, this.abandoned]) list.length = 0
  }

  /** Resolves as soon as `condition` holds; it is checked whenever something happens here. */
  until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve()
    return new Promise((resolve) => {
      this.watchers.push(() => condition() && resolve())
    })
  }

  /** @throws Error naming steps nobody asked for and requests nobody expected. */
  assertConsumed(): void {
    const faults = []
    if (this.steps.length > 0) faults.push(`${this.steps.length} steps were never asked for`)
    if (this.unexpected.length > 0) {
      const seen = JSON.stringify(this.unexpected).slice(0, 2_000)
      faults.push(`${this.unexpected.length} requests had no step: ${seen}`)
    }
    if (faults.length > 0) throw new Error(`The script does not fit: ${faults.join('; ')}`)
  }

  private async answer(raw: LoopbackRequest, response: ServerResponse): Promise<void> {
    if (this.aside(raw, response)) return
    const request = this.read(raw)
    if (!request) return plain(response, 404, `{"error":{"message":"no route ${raw.path}"}}`)
    this.requests.push(request)
    raw.signal.addEventListener('abort', () => {
      this.abandoned.push(request)
      this.happened()
    })
    this.happened()
    let step = this.route?.(request) ?? this.steps.shift()
    while (step && 'respond' in step) step = await step.respond(request)
    if (!step) {
      this.unexpected.push(request)
      return plain(response, 400, '{"error":{"message":"the script has no step left"}}')
    }
    await step.holdUntil
    if (!raw.signal.aborted) this.play(step, request, response)
  }

  private play(step: Step | FaultStep, request: Request, response: ServerResponse): void {
    const fault = step as Partial<Record<'status' | 'hang' | 'stall' | 'raw' | 'cut', unknown>>
    if (fault.hang) return
    if (fault.stall) {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.write('{')
    } else if (typeof fault.cut === 'string') {
      const promised = Buffer.byteLength(fault.cut) + 100
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': promised })
      response.write(fault.cut, () => response.destroy())
    } else if (typeof fault.raw === 'string') {
      const { contentType } = step as { contentType?: string }
      plain(response, 200, fault.raw, { 'content-type': contentType ?? 'application/json' })
    } else if (typeof fault.status === 'number') {
      const { body, headers } = step as { body?: unknown; headers?: Record<string, string> }
      const text = typeof body === 'string' ? body : JSON.stringify(body ?? {})
      plain(response, fault.status, text, headers)
    } else {
      this.write(step as Step, request, response)
    }
  }

  private happened(): void {
    for (const watcher of [...this.watchers]) watcher()
  }
}

/**
 * Lets `count` requests arrive before any of them is answered: wrap the step of each in the returned
 * function. Every reader has then read before the first writer writes.
 *
 * @example const together = heldUntil(2); server.script([together({ text: 'a' }), together({ text: 'b' })])
 */
export function heldUntil(
  count: number,
): <Step extends object>(step: Step) => { respond(): Step & { holdUntil: Promise<void> } } {
  let arrived = 0
  let open = () => {}
  const all = new Promise<void>((resolve) => {
    open = resolve
  })
  return (step) => ({
    respond() {
      arrived++
      if (arrived >= count) open()
      return { ...step, holdUntil: all }
    },
  })
}

function plain(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(text)
}
