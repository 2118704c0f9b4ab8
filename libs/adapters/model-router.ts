import {
  type Model,
  type ModelDescription,
  ModelFailure,
  type ModelResponse,
  type ModelRoute,
} from '#turns/ports.js'
import { contextWindow, modelName } from './model-names.js'

/** Several providers behind the one port: a handle's first part says which of them is asked. */
export class ModelRouter implements Model {
  /**
   * @param providers by the first part of their handles
   * @param aliases names that stand for handles
   * @param other answers every handle that names none of the providers; null: nobody does
   */
  constructor(
    private readonly providers: ReadonlyMap<string, Model>,
    private readonly aliases: Readonly<Record<string, string>>,
    private readonly other: Model | null,
  ) {}

  route(asked: string): ModelRoute | null {
    const handle = this.aliases[asked] ?? asked
    return this.#answering(handle)?.route(handle) ?? null
  }

  /** Aliases mean nothing here: `route` has resolved them, and what is recorded is asked. */
  async respond(...[request, ...rest]: Parameters<Model['respond']>): Promise<ModelResponse> {
    const answering = this.#answering(request.model)
    if (!answering) throw this.#unknown(request.model)
    return answering.respond(request, ...rest)
  }

  /** The models of every provider that lists them, then the aliases. Fails only when all of them fail. */
  async list(signal: AbortSignal): Promise<readonly ModelDescription[]> {
    const all = [...this.providers.values(), ...(this.other ? [this.other] : [])]
    const answers = await Promise.allSettled(all.map((model) => model.list(signal)))
    const listed = answers.flatMap((answer) =>
      answer.status === 'fulfilled' ? [answer.value] : [],
    )
    const failed = answers.find((answer) => answer.status === 'rejected')
    if (failed && listed.length === 0) throw failed.reason
    const models = listed.flat()
    return [...models, ...this.#described(models)]
  }

  #described(models: readonly ModelDescription[]): ModelDescription[] {
    return Object.entries(this.aliases).map(([alias, handle]) => {
      const name = modelName(handle)
      const provider = handle.slice(0, handle.indexOf('/'))
      const known = models.find((model) => model.handle === handle)
      const told = { provider, name, contextWindow: contextWindow(name), simulated: false }
      return { ...(known ?? told), handle: alias }
    })
  }

  #answering(handle: string): Model | null {
    const slash = handle.indexOf('/')
    // Older agents have bare names of OpenAI's models.
    const name = slash > 0 ? handle.slice(0, slash) : 'openai'
    return this.providers.get(name) ?? this.other
  }

  #unknown(handle: string): ModelFailure {
    const known = [...this.providers.keys()].join(', ')
    return new ModelFailure(
      'Provider.BadRequest',
      `No provider of models has ${handle}: there are ${known}. Name it in PALIMPSEST_PROVIDERS, or let it stand for another handle in PALIMPSEST_MODEL_ALIASES.`,
      { provider: 'none', upstreamStatus: null, retryAfterMs: null },
    )
  }
}
