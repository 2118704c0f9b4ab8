import { describe, expect, it } from '@jest/globals'
import { ModelFailure, SearchFailure } from '#turns/ports.js'
import { ScriptedModelServer } from '../../test/support/model-server.js'
import { type ConfigError, readConfig } from './config.js'
import { openProviders } from './providers.js'

const NEVER = new AbortController().signal
const REQUEST = {
  model: 'openai/gpt-4o-mini',
  messages: [{ role: 'user' as const, content: 'hello' }],
  tools: [],
}

describe('the providers', () => {
  it('without a key and without simulation fail with what to set, and are not simulated', async () => {
    const config = readConfig({ PALIMPSEST_SIMULATED: 'never' })
    const { model, search, simulated, close } = await openProviders(config)
    const error = await model.respond(REQUEST, NEVER).catch((e) => e)
    expect(error).toBeInstanceOf(ModelFailure)
    expect(error.failureClass).toBe('Provider.BadRequest')
    expect(error.detail.upstreamStatus).toBeNull()
    expect(error.message).toMatch(/^No model provider is configured: set OPENAI_API_KEY or /)
    expect(await model.list(NEVER)).toEqual([])
    const query = { query: 'x', numResults: 1, includeText: false }
    await expect(search.search(query, { signal: NEVER })).rejects.toBeInstanceOf(SearchFailure)
    expect(simulated).toEqual({ model: false, search: false })
    await close()
  })

  it('with a base URL ask that server, and search is not simulated beside it', async () => {
    const server = await ScriptedModelServer.start()
    try {
      server.script([{ text: 'real' }])
      const config = readConfig({ OPENAI_BASE_URL: server.url })
      const { model, simulated } = await openProviders(config)
      const response = await model.respond(REQUEST, NEVER)
      expect(response).toMatchObject({ content: 'real', simulated: false })
      expect(simulated).toEqual({ model: false, search: false })
      server.assertConsumed()
    } finally {
      await server.close()
    }
  })
})

describe('several providers', () => {
  const named = (groq: string, env: Record<string, string> = {}) =>
    readConfig({
      PALIMPSEST_PROVIDERS: JSON.stringify({
        groq: { base_url: groq },
        eu: { base_url: groq, wire: 'responses' },
      }),
      PALIMPSEST_MODEL_ALIASES: 'fast=groq/llama-3.3, openai/gpt-4o-mini=eu/gpt-4.1',
      GROQ_API_KEY: 'key of groq',
      ...env,
    })

  it('are asked by the first part of a handle, each with its own key and on its own wire', async () => {
    const server = await ScriptedModelServer.start()
    try {
      server.script([{ text: 'a' }, { text: 'b' }])
      const { model } = await openProviders(named(server.url))
      const asked = [model.route('fast'), model.route('openai/gpt-4o-mini')]
      for (const route of asked)
        await model.respond({ ...REQUEST, model: `${route?.handle}` }, NEVER)
      const sent = server.requests.map(({ wire, model, headers }) => {
        return [wire, model, headers['authorization']]
      })
      expect(sent).toEqual([
        ['chat', 'llama-3.3', 'Bearer key of groq'],
        ['responses', 'gpt-4.1', 'Bearer none'],
      ])
      const listed = await model.list(NEVER)
      const [fast] = listed.slice(-2)
      expect(listed.map(({ handle }) => handle)).toEqual([
        ...['groq/gpt-4o-mini', 'groq/gpt-4.1', 'eu/gpt-4o-mini', 'eu/gpt-4.1'],
        ...['fast', 'openai/gpt-4o-mini'],
      ])
      expect(fast).toMatchObject({ provider: 'groq', name: 'llama-3.3' })
      server.assertConsumed()
    } finally {
      await server.close()
    }
  })

  it('do not answer for one nobody named: that fails for good and says which there are', async () => {
    const { model } = await openProviders(named('http://127.0.0.1:9/v1'))
    const error = await model.respond(REQUEST, NEVER).catch((e) => e)
    expect([error.failureClass, error.retriable]).toEqual(['Provider.BadRequest', false])
    expect(error.message).toMatch(
      /^No provider of models has openai\/gpt-4o-mini: there are groq, eu\./,
    )
    expect(model.route('openai/gpt-4o')).toBeNull()
  })

  it('share a limit only where server and key are the same', async () => {
    const keys = async (env: Record<string, string>) => {
      const { model } = await openProviders(named('http://127.0.0.1:9/v1', env))
      return ['groq/a', 'groq/b', 'eu/a'].map((handle) => model.route(handle)?.limitedAs)
    }
    const [a, b, eu] = await keys({})
    expect([a === b, a === eu]).toEqual([true, false])
    expect((await keys({ GROQ_API_KEY: 'another key' }))[0]).not.toBe(a)
    expect(JSON.stringify([a, eu])).not.toContain('key of groq')
  })

  it('answer for whatever is asked while only OPENAI_BASE_URL or OPENAI_API_KEY names one', async () => {
    const { model } = await openProviders(readConfig({ OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' }))
    expect(model.route('ollama/qwen3')?.handle).toBe('ollama/qwen3')
  })

  it('are named without a fault, or every fault is told at once', () => {
    const faults = (env: Record<string, string>): readonly string[] => {
      try {
        readConfig(env)
        return []
      } catch (error) {
        return (error as ConfigError).faults
      }
    }
    expect(faults({ PALIMPSEST_PROVIDERS: 'groq' })).toEqual([
      'PALIMPSEST_PROVIDERS must be JSON such as {"groq":{"base_url":"https://api.groq.com/openai/v1"}}',
    ])
    const key = { base_url: 'https://x/v1', api_key: 'sk-1' }
    const strange = { a: { base_url: 'ftp://x' }, b: { wire: 'grpc' }, c: key, 'D!': {} }
    expect(faults({ PORT: 'x', PALIMPSEST_PROVIDERS: JSON.stringify(strange) })).toEqual([
      'PORT must be a port number, 0 to 65535',
      'PALIMPSEST_PROVIDERS a.base_url must start with http:// or https://',
      'PALIMPSEST_PROVIDERS b.wire must be chat or responses',
      'PALIMPSEST_PROVIDERS c has api_key: only base_url and wire are known (keys are read from <NAME>_API_KEY)',
      'PALIMPSEST_PROVIDERS D! is no name of a provider: use 1 to 32 lower-case letters, digits and -, a letter first',
    ])
    const aliases = 'a,b=x,c=d/e,c=d/f,g=nobody/h,i=c,k=openai/l,openai/l=d/e'
    const env = { PALIMPSEST_PROVIDERS: '{"openai":{},"d":{}}', PALIMPSEST_MODEL_ALIASES: aliases }
    expect(faults(env)).toEqual([
      'PALIMPSEST_PROVIDERS openai needs OPENAI_API_KEY',
      'PALIMPSEST_PROVIDERS d needs a base_url',
      'PALIMPSEST_MODEL_ALIASES must be alias=provider/model, by commas, not a',
      'PALIMPSEST_MODEL_ALIASES b: x is no provider/model',
      'PALIMPSEST_MODEL_ALIASES names c twice',
      'PALIMPSEST_MODEL_ALIASES g: there is no provider nobody',
      'PALIMPSEST_MODEL_ALIASES i: c is no provider/model',
      'PALIMPSEST_MODEL_ALIASES k: openai/l is itself an alias',
    ])
  })
})
