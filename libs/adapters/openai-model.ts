import { createHash } from 'node:crypto'
import OpenAI, { APIConnectionError, APIConnectionTimeoutError, APIError } from 'openai'
import {
  type Model,
  type ModelDelta,
  type ModelDescription,
  ModelFailure,
  type ModelMessage,
  type ModelRequest,
  type ModelResponse,
  type ModelRoute,
  type ModelToolCall,
} from '#turns/ports.js'
import { boundedFetch, isEventStream, ReplyLate, ReplyTooLarge } from './bounded-fetch.js'
import { sentArguments } from './call-arguments.js'
import { failureReason } from './failure-reason.js'
import { classified } from './model-failure.js'
import { contextWindow, modelName } from './model-names.js'
import { readReply, UnreadableReply } from './model-reply.js'
import { asCompletion, responsesBody } from './responses-wire.js'
import { storable } from './storable-text.js'
import { readChunks, StreamedReply } from './streamed-reply.js'

const OFFICIAL_URL = 'https://api.openai.com/v1'
const REPLY_BYTES_MAX = 16 * 1024 * 1024
const MODELS_MAX = 1_000
const NAME_CHARACTERS_MAX = 64
const ACCOUNT_DIGITS = 16
const CHAT_MODEL = /^(?:gpt-|chatgpt-|o\d)/
const OTHER_KIND = /audio|realtime|transcribe|tts|image|search|instruct|embed/

export interface OpenAIModelOptions {
  /** Null for servers without keys, such as a local Ollama: the SDK insists on one, so `none` is sent. */
  readonly apiKey: string | null
  /** Null for OpenAI itself. */
  readonly baseUrl: string | null
  /** First part of the handles this model lists, and the name failures carry. */
  readonly provider: string
  /** True when the server behind `baseUrl` is the scripted stand-in: every answer says so. */
  readonly simulated: boolean
  /** Chat Completions, which every compatible server speaks, unless it is OpenAI's Responses API. */
  readonly wire?: 'chat' | 'responses'
  /** Milliseconds: until the first byte (60 000), between two (30 000), for the whole answer (600 000). */
  readonly timeoutsMs?: Partial<Record<'firstByte' | 'idle' | 'total', number>>
}

/** The model port over OpenAI's SDK: OpenAI itself, and every server that speaks one of its wires. */
export class OpenAIModel implements Model {
  private readonly client: OpenAI
  private readonly official: boolean

  constructor(private readonly options: OpenAIModelOptions) {
    const { apiKey, baseUrl, timeoutsMs } = options
    const baseURL = baseUrl ?? OFFICIAL_URL
    this.official = new URL(baseURL).hostname === new URL(OFFICIAL_URL).hostname
    this.client = new OpenAI({
      apiKey: apiKey ?? 'none',
      baseURL,
      organization: null,
      project: null,
      // One layer retries, the turn's: its waits are recorded and survive this process.
      maxRetries: 0,
      timeout: timeoutsMs?.total ?? 600_000,
      logLevel: 'off',
      fetch: boundedFetch({
        firstByteMs: timeoutsMs?.firstByte ?? 60_000,
        idleMs: timeoutsMs?.idle ?? 30_000,
        bytesMax: REPLY_BYTES_MAX,
        totalMs: timeoutsMs?.total ?? 600_000,
      }),
    })
  }

  /** See `Model.route`. Whoever shares server and key shares the limits. */
  route(handle: string): ModelRoute {
    const { provider, baseUrl, apiKey, simulated } = this.options
    if (simulated) return { handle, provider, limitedAs: null }
    const secret = JSON.stringify([baseUrl, apiKey])
    const account = createHash('sha256').update(secret).digest('hex').slice(0, ACCOUNT_DIGITS)
    return { handle, provider, limitedAs: `${provider}:${account}` }
  }

  /** See `Model.respond`. */
  async respond(
    request: ModelRequest,
    signal: AbortSignal,
    onDelta?: (delta: ModelDelta) => void,
  ): Promise<ModelResponse> {
    return this.asked(signal, async (options) => {
      const completion = await this.completion(request, options, onDelta)
      this.throwHiddenError(completion)
      const response = readReply(completion, request, this.options.simulated)
      const { content, toolCalls, finishReason } = response
      if (finishReason === 'content_filter' && content === null && toolCalls.length === 0) {
        throw this.failure('Provider.Refused', 'withheld its answer (content filter)', 200)
      }
      return response
    })
  }

  /** Over the Responses API nothing is heard before the whole answer is there. */
  private async completion(
    request: ModelRequest,
    options: { signal: AbortSignal },
    onDelta: ((delta: ModelDelta) => void) | undefined,
  ): Promise<object> {
    if (this.options.wire === 'responses') {
      const body = responsesBody(modelName(request.model), request)
      // The SDK adds to what it has read, and fails where a server does not say that it is JSON.
      const response = await this.client.responses.create(body, options).asResponse()
      return asCompletion(await response.text())
    }
    return onDelta
      ? this.streamed(request, options, onDelta)
      : this.client.chat.completions.create(this.body(request), options)
  }

  /** The same answer, heard while it comes. A server that does not stream answers in one piece. */
  private async streamed(
    request: ModelRequest,
    options: { signal: AbortSignal },
    onDelta: (delta: ModelDelta) => void,
  ): Promise<object> {
    const body = {
      ...this.body(request),
      stream: true as const,
      stream_options: { include_usage: true },
    }
    const response = await this.client.chat.completions.create(body, options).asResponse()
    if (!response.body || !isEventStream(response)) return (await response.json()) as object
    const reply = new StreamedReply(onDelta)
    const take = (chunk: Readonly<Record<string, unknown>>): void => {
      this.throwHiddenError(chunk)
      reply.take(chunk)
    }
    await readChunks(response.body, take, () => reply.finished)
    return reply.completion()
  }

  /** The models that can hold a conversation, as far as their names tell. */
  async list(signal: AbortSignal): Promise<readonly ModelDescription[]> {
    return this.asked(signal, async (options) => {
      const page: { data?: unknown } = await this.client.models.list(options)
      if (!Array.isArray(page.data)) throw new UnreadableReply('the answer holds no list of models')
      return page.data
        .filter((model) => typeof model?.id === 'string' && this.converses(model.id))
        .slice(0, MODELS_MAX)
        .map((model) => this.description(model.id, model.owned_by))
    })
  }

  private description(name: string, owner: unknown): ModelDescription {
    // The stand-in answers for several providers and names each model's as its owner.
    const provider =
      this.options.simulated && typeof owner === 'string' ? owner : this.options.provider
    return {
      handle: `${provider}/${name}`,
      provider,
      name,
      contextWindow: contextWindow(name),
      simulated: this.options.simulated,
    }
  }

  private converses(name: string): boolean {
    return !this.official || (CHAT_MODEL.test(name) && !OTHER_KIND.test(name))
  }

  private body(request: ModelRequest): OpenAI.Chat.ChatCompletionCreateParamsNonStreaming {
    const { tools, maxOutputTokens, temperature, parallelToolCalls } = request
    // OpenAI's newer models refuse the old name, several other servers do not know the new one.
    const limitName = this.official ? 'max_completion_tokens' : 'max_tokens'
    return {
      model: modelName(request.model),
      messages: request.messages.map(wireMessage),
      ...(tools.length > 0 && {
        tools: tools.map(({ name, description, parameters }) => ({
          type: 'function' as const,
          function: { name, description, parameters: { ...parameters } },
        })),
        ...(parallelToolCalls !== undefined && { parallel_tool_calls: parallelToolCalls }),
      }),
      ...(maxOutputTokens !== undefined && { [limitName]: maxOutputTokens }),
      ...(temperature !== undefined && { temperature }),
    }
  }

  private async asked<T>(
    signal: AbortSignal,
    ask: (options: { signal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted()
    try {
      // The SDK never takes its listener off the signal it is given: give it one per call.
      return await ask({ signal: AbortSignal.any([signal]) })
    } catch (error) {
      signal.throwIfAborted()
      throw this.translated(error)
    }
  }

  private translated(error: unknown): ModelFailure {
    if (error instanceof ModelFailure) return error
    if (error instanceof APIConnectionTimeoutError) {
      return this.failure('Provider.Timeout', 'did not finish its answer in time', null)
    }
    // What breaks in the middle of a stream comes as it is, without the SDK's own error round it.
    const cause = error instanceof APIConnectionError ? error.cause : error
    if (cause instanceof ReplyLate) {
      return this.failure('Provider.Timeout', `is late: ${cause.message}`, null)
    }
    if (cause instanceof ReplyTooLarge) {
      return this.failure('Provider.BadRequest', `wrote too much: ${cause.message}`, 200)
    }
    if (error instanceof APIConnectionError) {
      return this.upstream(null, null, failureReason(error), null)
    }
    if (error instanceof APIError) {
      const body = error.error as { message?: unknown; code?: unknown } | string | undefined
      const said = typeof body === 'object' && body ? body.message : body
      const code = error.code ?? error.type ?? null
      const message = typeof said === 'string' ? said : error.message
      return this.upstream(error.status ?? null, code && String(code), message, error.headers)
    }
    // A body that cannot be read was most likely cut on its way: the next one may be whole. A page of
    // HTML is none of that kind, but no test tells them apart for certain, and retries are bounded.
    return this.failure(
      'Provider.Overloaded',
      `sent an unreadable answer: ${failureReason(error)}`,
      200,
    )
  }

  /** Gateways send 200 as soon as they have a request, and an error of the model behind them in the body. */
  private throwHiddenError(completion: { error?: unknown; choices?: unknown }): void {
    const hidden = completion.error as { message?: unknown; code?: unknown } | null | undefined
    if (typeof hidden !== 'object' || hidden === null || completion.choices) return
    const status = typeof hidden.code === 'number' ? hidden.code : 502
    throw this.upstream(status, String(hidden.code ?? ''), String(hidden.message), null)
  }

  private upstream(
    status: number | null,
    code: string | null,
    message: string,
    headers: Headers | null | undefined,
  ): ModelFailure {
    const { provider, apiKey } = this.options
    return classified(provider, {
      status,
      code,
      // Some servers repeat the key they refuse; failures are stored and shown.
      message: apiKey && apiKey.length >= 8 ? message.replaceAll(apiKey, '[key]') : message,
      headers: headers ?? null,
    })
  }

  private failure(
    failureClass: ModelFailure['failureClass'],
    what: string,
    upstreamStatus: number | null,
  ): ModelFailure {
    const { provider } = this.options
    return new ModelFailure(failureClass, storable(`${provider} ${what}`), {
      provider,
      upstreamStatus,
      retryAfterMs: null,
    })
  }
}

function wireMessage(message: ModelMessage): OpenAI.Chat.ChatCompletionMessageParam {
  if (message.role === 'tool') return { ...message }
  if (message.role !== 'assistant') {
    const { role, content, name } = message
    // OpenAI refuses the whole request for a blank or a bracket in a name.
    const allowed = name?.replace(/[\s<|\\/>]/g, '_').slice(0, NAME_CHARACTERS_MAX)
    return { role, content, ...(allowed && { name: allowed }) }
  }
  const { content, tool_calls: calls } = message
  if (!calls || calls.length === 0) return { role: 'assistant', content: content ?? '' }
  return { role: 'assistant', content, tool_calls: calls.map(wireCall) }
}

function wireCall(call: ModelToolCall): OpenAI.Chat.ChatCompletionMessageFunctionToolCall {
  const { id, name } = call
  return { id, type: 'function', function: { name, arguments: sentArguments(call.arguments) } }
}
