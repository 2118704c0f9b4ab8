/**
 * What a turn needs from the outside. Each port has a real implementation and a scripted one in
 * `libs/adapters`; both run the same contract suite.
 */

/** A message in the order the model reads it: OpenAI's chat shape, the one every compatible server takes. */
export type ModelMessage =
  | { readonly role: 'system' | 'user'; readonly content: string; readonly name?: string }
  | {
      readonly role: 'assistant'
      readonly content: string | null
      readonly tool_calls?: readonly ModelToolCall[]
    }
  | { readonly role: 'tool'; readonly tool_call_id: string; readonly content: string }

/** `arguments` is the text the model wrote: usually JSON, not always. */
export interface ModelToolCall {
  readonly id: string
  readonly name: string
  readonly arguments: string
}

export interface ModelTool {
  readonly name: string
  readonly description: string
  /** JSON Schema of the arguments object. */
  readonly parameters: Readonly<Record<string, unknown>>
}

export interface ModelRequest {
  /** `provider/model`, e.g. `openai/gpt-4o-mini`. */
  readonly model: string
  readonly messages: readonly ModelMessage[]
  readonly tools: readonly ModelTool[]
  readonly maxOutputTokens?: number
  readonly temperature?: number
  readonly parallelToolCalls?: boolean
}

export interface ModelUsage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
  readonly cached_input_tokens: number
  readonly reasoning_tokens: number
  /** True when the provider sent no usage and the counts are estimates. */
  readonly estimated?: boolean
}

export interface ModelResponse {
  /** Text for the user, without NUL and lone surrogates (`repaired` says whether any were removed). */
  readonly content: string | null
  readonly reasoning: string | null
  readonly toolCalls: readonly ModelToolCall[]
  readonly finishReason: 'stop' | 'tool_calls' | 'length' | 'content_filter'
  readonly usage: ModelUsage
  readonly providerResponseId: string | null
  readonly simulated: boolean
  readonly repaired: boolean
}

/** A piece of an answer while it is written; the pieces of one part concatenate to it. */
export type ModelDelta =
  | { readonly part: 'reasoning' | 'content'; readonly text: string }
  | {
      readonly part: 'call'
      readonly index: number
      readonly id: string
      readonly name: string
      /** Of the arguments, never empty. */
      readonly text: string
    }

/** Failure classes of a model call: the first three may be tried again. */
export type ModelFailureClass =
  | 'Provider.RateLimited'
  | 'Provider.Overloaded'
  | 'Provider.Timeout'
  | 'Provider.Refused'
  | 'Provider.BadRequest'
  | 'ContextOverflow'

export class ModelFailure extends Error {
  constructor(
    readonly failureClass: ModelFailureClass,
    message: string,
    readonly detail: {
      readonly provider: string
      readonly upstreamStatus: number | null
      readonly retryAfterMs: number | null
    },
  ) {
    super(message)
    this.name = 'ModelFailure'
  }

  get retriable(): boolean {
    return (
      this.failureClass === 'Provider.RateLimited' ||
      this.failureClass === 'Provider.Overloaded' ||
      this.failureClass === 'Provider.Timeout'
    )
  }
}

export interface ModelDescription {
  /** `provider/model`. */
  readonly handle: string
  readonly provider: string
  readonly name: string
  /** Tokens. */
  readonly contextWindow: number
  readonly simulated: boolean
}

/** Who answers for a name that an agent has as its model. */
export interface ModelRoute {
  /** `provider/model`: the name itself, or what it stands for. */
  readonly handle: string
  readonly provider: string
  /** Whom a limit of the provider binds together: one key at one server. Null: nothing is limited. */
  readonly limitedAs: string | null
}

export interface Model {
  /**
   * Asks once: no retry inside (one layer retries, the turn's). Throws `ModelFailure`; an abort rejects with the signal's reason.
   *
   * @param onDelta hears a beginning of the answer while it is written: reasoning, then content, then
   *   the calls in order. The answer returned is the same with and without it.
   */
  respond(
    request: ModelRequest,
    signal: AbortSignal,
    onDelta?: (delta: ModelDelta) => void,
  ): Promise<ModelResponse>
  list(signal: AbortSignal): Promise<readonly ModelDescription[]>
  /** Asks nobody. Null when no provider has the name; `respond` then fails for good. */
  route(asked: string): ModelRoute | null
}

export interface SearchQuery {
  readonly query: string
  /** 1 to 100. */
  readonly numResults: number
  readonly category?: string
  readonly includeText: boolean
  readonly includeDomains?: readonly string[]
  readonly excludeDomains?: readonly string[]
  readonly startPublishedDate?: string
  readonly endPublishedDate?: string
  readonly userLocation?: string
}

export interface SearchResult {
  readonly title: string | null
  readonly url: string
  readonly published_date: string | null
  readonly author: string | null
  readonly text?: string
  readonly highlights?: readonly string[]
  readonly summary?: string
}

export interface SearchResults {
  readonly results: readonly SearchResult[]
  readonly simulated: boolean
}

/** The web cannot be searched: no key, or the provider failed. The message is for the model. */
export class SearchFailure extends Error {
  constructor(
    readonly reason: 'no_key' | 'provider',
    message: string,
  ) {
    super(message)
    this.name = 'SearchFailure'
  }
}

export interface Search {
  /** `apiKey` is the agent's own key (its secrets); without it the server's is used. Throws `SearchFailure`. */
  search(
    query: SearchQuery,
    options: { apiKey?: string; signal: AbortSignal },
  ): Promise<SearchResults>
}

/** Rings after a commit: a lost ring is found by the sweeper. Never throws. */
export interface Doorbell {
  ring(tenantId: string, agentId: string): Promise<void>
}

/** Whose turns wait in it. */
export interface Mailbox {
  readonly tenantId: string
  readonly agentId: string
}

/** A mailbox where something waits and nobody living is at it. */
export interface UnattendedMailbox extends Mailbox {
  readonly epoch: number
  /** Of the database's clock, in steps of a few: those who ring for it meanwhile name one job. */
  readonly second: number
}

/** Sees to mailboxes nobody is at: here as far as there are places, else by ringing again. Never throws. */
export type TakeUp = (mailboxes: readonly UnattendedMailbox[]) => Promise<void>

/** How far a turn has come, for whoever queued it as a job. */
export interface JobProgress {
  readonly step: number
  /** The first tool the model called in this step, or null. */
  readonly tool: string | null
  /** Tokens of the turn so far, prompts included. */
  readonly tokens: number
}

/** The jobs of services that queue turns: what they are told, in the queue they know. */
export interface ProducerJobs {
  /** Notes a step on a job. Lost without harm: never throws. */
  note(jobId: string, line: string, progress: JobProgress): Promise<void>
  /** The job's turn is over: it need not wait any longer to look. A hint: never throws. */
  wake(jobId: string): Promise<void>
  /** Adds a job to a queue, once as long as it is there. Throws while the queue is away. */
  send(queue: string, name: string, jobId: string, data: object): Promise<void>
}
