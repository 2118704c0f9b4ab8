import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type LoopbackRequest, sendJson } from '#adapters/loopback-server.js'
import { type Completion, completionChunks } from '#adapters/simulated-stream.js'
import { responsesAnswer } from './responses-answer.js'
import { type AnyStep, ScriptedServer } from './scripted-server.js'

/** A good answer; `usage: null` leaves the counts out, `id: null` the answer's id. */
export interface ModelAnswer {
  readonly text?: string | null
  readonly toolCalls?: readonly ScriptedToolCall[]
  readonly reasoning?: string
  readonly finishReason?: string
  readonly usage?: object | null
  readonly id?: string | null
  /** Of a stream: milliseconds between two chunks. */
  readonly paceMs?: number
  /** Of a stream: after so many chunks the rest waits. */
  readonly pause?: { readonly after: number; readonly until: Promise<unknown> }
  /** Of a stream: after so many chunks it ends, or the connection breaks. */
  readonly broken?: { readonly after: number; readonly how: 'end' | 'cut' | 'stall' }
}

export interface ScriptedToolCall {
  /** Without one the server numbers calls on; `null` leaves it out, as some servers do. */
  readonly id?: string | null
  readonly name: string
  /** Text goes out as it is, anything else as JSON. */
  readonly arguments: string | object
}

export interface ModelServerRequest {
  /** Of the Responses API only `body` is as the tests of Chat Completions know it. */
  readonly wire: 'chat' | 'responses'
  readonly headers: LoopbackRequest['headers']
  readonly model: string
  readonly messages: readonly ServerMessage[]
  readonly toolNames: readonly string[]
  /** The whole body as it was sent. */
  readonly body: Readonly<Record<string, unknown>>
}

export interface ServerMessage {
  readonly role: string
  readonly content: string | null
  readonly tool_call_id?: string
  readonly tool_calls?: readonly {
    readonly id: string
    readonly function: { readonly name: string; readonly arguments: string }
  }[]
}

export type ModelStep = AnyStep<ModelAnswer, ModelServerRequest>

/**
 * A server that speaks Chat Completions and the Responses API, and says what the test wrote down.
 *
 * @example
 * const server = await ScriptedModelServer.start()
 * server.script([{ toolCalls: [{ name: 'f', arguments: { a: 1 } }] }, { text: 'done' }])
 * // … OPENAI_BASE_URL = server.url …
 * server.assertConsumed()
 */
export class ScriptedModelServer {
  private answers = 0
  private calls = 0
  private readonly server = new ScriptedServer<ModelAnswer, ModelServerRequest>(
    readRequest,
    (answer, request, response) => {
      const whole = this.completion(answer, request)
      if (request.wire === 'responses') return sendJson(response, 200, responsesAnswer(whole))
      if (!request.body['stream']) return sendJson(response, 200, whole)
      void stream(whole as Completion, answer, response)
    },
    listModels,
  )

  static async start(): Promise<ScriptedModelServer> {
    const server = new ScriptedModelServer()
    await server.server.start()
    return server
  }

  /** Ends in `/v1`: what OPENAI_BASE_URL takes. */
  get url(): string {
    return `${this.server.url}/v1`
  }

  get requests(): readonly ModelServerRequest[] {
    return this.server.requests
  }

  get unexpected(): readonly ModelServerRequest[] {
    return this.server.unexpected
  }

  get abandoned(): readonly ModelServerRequest[] {
    return this.server.abandoned
  }

  /** Adds steps, one for each request to come, in order. */
  script(steps: readonly ModelStep[]): this {
    this.server.add(steps)
    return this
  }

  /** Asks this function first; where it returns undefined the script goes on. */
  routeBy(route: (request: ModelServerRequest) => ModelStep | undefined): this {
    this.server.routeBy(route)
    return this
  }

  requestsArrived(count: number): Promise<void> {
    return this.server.until(() => this.requests.length >= count)
  }

  requestsAbandoned(count: number): Promise<void> {
    return this.server.until(() => this.abandoned.length >= count)
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

  private completion(answer: ModelAnswer, request: ModelServerRequest) {
    const { text, toolCalls, reasoning, finishReason, usage, id } = answer
    const made = toolCalls?.map((call) => this.wireCall(call))
    this.answers++
    return {
      ...(id !== null && { id: id ?? `chatcmpl-${this.answers}` }),
      object: 'chat.completion',
      created: 1_700_000_000,
      model: request.model,
      choices: [
        {
          index: 0,
          finish_reason: finishReason ?? (made ? 'tool_calls' : 'stop'),
          message: {
            role: 'assistant',
            content: text ?? null,
            ...(reasoning !== undefined && { reasoning_content: reasoning }),
            ...(made && { tool_calls: made }),
          },
        },
      ],
      ...(usage !== null && {
        usage: usage ?? { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
      }),
    }
  }

  private wireCall(call: ScriptedToolCall) {
    this.calls++
    const { name } = call
    const args =
      typeof call.arguments === 'string' ? call.arguments : JSON.stringify(call.arguments)
    return {
      ...(call.id !== null && { id: call.id ?? `call_${this.calls}` }),
      type: 'function',
      function: { name, arguments: args },
    }
  }
}

function readRequest(request: LoopbackRequest): ModelServerRequest | null {
  const wire = request.method === 'POST' ? WIRES[request.path] : undefined
  if (!wire) return null
  const body = JSON.parse(request.body)
  const tools: { name: string; function?: { name: string } }[] = body.tools ?? []
  return {
    wire,
    headers: request.headers,
    model: body.model,
    messages: body.messages ?? [],
    toolNames: tools.map((tool) => tool.function?.name ?? tool.name),
    body,
  }
}

const WIRES: Readonly<Record<string, ModelServerRequest['wire']>> = {
  '/v1/chat/completions': 'chat',
  '/v1/responses': 'responses',
}

function listModels(request: LoopbackRequest, response: ServerResponse): boolean {
  if (request.path !== '/v1/models') return false
  const data = ['gpt-4o-mini', 'gpt-4.1'].map((id) => ({
    id,
    object: 'model',
    created: 1_700_000_000,
    owned_by: 'scripted',
  }))
  sendJson(response, 200, { object: 'list', data })
  return true
}

/** The same completion in chunks, paused or broken off as the script says. */
async function stream(
  whole: Completion,
  { paceMs = 0, pause, broken }: ModelAnswer,
  response: ServerResponse,
): Promise<void> {
  const chunks = completionChunks(whole, true)
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  for (const [sent, chunk] of chunks.entries()) {
    if (sent === pause?.after) await pause.until
    if (paceMs > 0) await sleep(paceMs)
    if (sent === broken?.after) {
      if (broken.how === 'end') response.end()
      if (broken.how === 'cut') response.destroy()
      return
    }
    response.write(`data: ${JSON.stringify(chunk)}\n\n`)
  }
  response.end('data: [DONE]\n\n')
}
