import { type Model, ModelFailure, type Search } from '#turns/ports.js'
import type { Config } from './config.js'
import { ExaSearch } from './exa-search.js'
import type { LoopbackServer } from './loopback-server.js'
import { ModelRouter } from './model-router.js'
import { OpenAIModel, type OpenAIModelOptions } from './openai-model.js'
import { startSimulatedModel } from './simulated-model.js'
import { startSimulatedSearch } from './simulated-search.js'

/** The SDKs insist on keys; the stand-ins read none. */
const STAND_IN_KEY = 'simulated'

export interface Providers {
  readonly model: Model
  readonly search: Search
  /** What answers in place of a real service, for the banner, the response header and the runs. */
  readonly simulated: Config['simulated']
  /** Stops the stand-ins; real services need nothing. */
  close(): Promise<void>
}

/**
 * Connects the ports to what the configuration names. Nothing is asked of a real service here.
 *
 * @param modelTimeoutsMs other limits of a model's answer than the usual ones.
 */
export async function openProviders(
  config: Config,
  modelTimeoutsMs: OpenAIModelOptions['timeoutsMs'] = {},
): Promise<Providers> {
  const started: LoopbackServer[] = []
  const close = async () => {
    await Promise.all(started.splice(0).map((server) => server.close()))
  }
  try {
    const model = await openModel(config, started, modelTimeoutsMs)
    const search = await openSearch(config, started)
    return { model, search, simulated: config.simulated, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function openModel(
  config: Config,
  started: LoopbackServer[],
  timeoutsMs: NonNullable<OpenAIModelOptions['timeoutsMs']>,
): Promise<Model> {
  const { providers, named, aliases } = config.models
  if (config.simulated.model) {
    const server = await startSimulatedModel()
    started.push(server)
    const told = { apiKey: STAND_IN_KEY, baseUrl: server.url, provider: 'openai' }
    return new ModelRouter(new Map(), aliases, new OpenAIModel({ ...told, simulated: true }))
  }
  const opened = providers.map(({ name: provider, ...settings }) => {
    return [
      provider,
      new OpenAIModel({ ...settings, provider, simulated: false, timeoutsMs }),
    ] as const
  })
  if (named) return new ModelRouter(new Map(opened), aliases, null)
  return new ModelRouter(new Map(), aliases, opened[0]?.[1] ?? NO_MODEL)
}

async function openSearch(config: Config, started: LoopbackServer[]): Promise<Search> {
  if (!config.simulated.search) return new ExaSearch({ ...config.exa, simulated: false })
  const server = await startSimulatedSearch()
  started.push(server)
  return new ExaSearch({ apiKey: STAND_IN_KEY, baseUrl: server.url, simulated: true })
}

/** A turn without a model must fail and say how to mend it, never be answered by a stand-in nobody chose. */
const NO_MODEL: Model = {
  async respond() {
    throw new ModelFailure(
      'Provider.BadRequest',
      'No model provider is configured: set OPENAI_API_KEY or OPENAI_BASE_URL (any OpenAI-compatible server), PALIMPSEST_PROVIDERS for several, or PALIMPSEST_SIMULATED=always for a scripted stand-in.',
      { provider: 'none', upstreamStatus: null, retryAfterMs: null },
    )
  },
  async list() {
    return []
  },
  route(handle) {
    return { handle, provider: 'none', limitedAs: null }
  },
}
