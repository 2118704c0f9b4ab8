import { describe, expect, it } from '@jest/globals'
import { ModelFailure, SearchFailure } from '#turns/ports.js'
import { ScriptedModelServer } from '../../test/support/model-server.js'
import { readConfig } from './config.js'
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
