import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { SearchFailure, type SearchQuery } from '#turns/ports.js'
import { ScriptedSearchServer } from '../../test/support/search-server.js'
import { ExaSearch } from './exa-search.js'
import { startSimulatedSearch } from './simulated-search.js'

const NEVER = new AbortController().signal
const QUERY: SearchQuery = { query: 'memory blocks', numResults: 3, includeText: false }

let server: ScriptedSearchServer

beforeAll(async () => {
  server = await ScriptedSearchServer.start()
})

afterEach(() => {
  try {
    server.assertConsumed()
  } finally {
    server.reset()
  }
})

afterAll(() => server.close())

function exa(change: { apiKey?: string | null; timeoutMs?: number; baseUrl?: string } = {}) {
  return new ExaSearch({
    apiKey: 'server-key',
    baseUrl: `${server.url}/`,
    simulated: false,
    ...change,
  })
}

async function failed(answer: Promise<unknown>): Promise<SearchFailure> {
  const error = await answer.then(
    () => null,
    (e: unknown) => e,
  )
  expect(error).toBeInstanceOf(SearchFailure)
  return error as SearchFailure
}

describe('a search', () => {
  it('asks for highlights and a summary, with every filter of the query', async () => {
    server.script([{ results: [] }])
    await exa().search(
      { ...QUERY, includeText: true, category: 'news', includeDomains: ['letta.com'] },
      { signal: NEVER },
    )
    expect(server.requests[0]?.apiKey).toBe('server-key')
    expect(server.requests[0]?.body).toEqual({
      query: 'memory blocks',
      type: 'auto',
      numResults: 3,
      category: 'news',
      includeDomains: ['letta.com'],
      contents: {
        highlights: { numSentences: 2, highlightsPerUrl: 3, query: 'memory blocks' },
        summary: { query: 'memory blocks' },
        text: { maxCharacters: 4_000 },
      },
    })
  })

  it("goes with the agent's own key if there is one", async () => {
    server.script([{ results: [] }])
    await exa({ apiKey: null }).search(QUERY, { apiKey: 'agent-key', signal: NEVER })
    expect(server.requests[0]?.apiKey).toBe('agent-key')
  })

  it('answers in snake_case, bounded and storable', async () => {
    const url = 'https://example.com/'
    server.script([
      {
        results: [
          {
            url,
            title: 'T\0',
            publishedDate: '2025-01-01',
            text: '😀'.repeat(5_000),
            summary: 's',
          },
          { url, title: null, highlights: ['h\ud800'] },
        ],
      },
    ])
    const { results, simulated } = await exa().search(QUERY, { signal: NEVER })
    expect(simulated).toBe(false)
    expect(results).toEqual([
      {
        title: 'T',
        url,
        published_date: '2025-01-01',
        author: null,
        text: '😀'.repeat(4_000),
        summary: 's',
      },
      { title: null, url, published_date: null, author: null, highlights: ['h'] },
    ])
  })
})

describe('a search that cannot be made', () => {
  it('without any key says which variable is missing', async () => {
    const error = await failed(exa({ apiKey: null }).search(QUERY, { signal: NEVER }))
    expect(error.reason).toBe('no_key')
    expect(error.message).toMatch(/^EXA_API_KEY is not set \(server or agent env\)/)
  })

  it("carries the provider's message but not the key", async () => {
    server.script([{ status: 401, body: { error: 'Invalid API key: server-key' } }])
    const error = await failed(exa().search(QUERY, { signal: NEVER }))
    expect(error.reason).toBe('provider')
    expect(error.message).toBe('The web search failed: Invalid API key: [key]')
  })

  it('is a failure of the provider for a 500, a body that is no JSON, and one without results', async () => {
    for (const step of [{ status: 500, body: 'oops' }, { raw: '<html>' }, { raw: '{}' }]) {
      server.script([step])
      expect((await failed(exa().search(QUERY, { signal: NEVER }))).reason).toBe('provider')
    }
  })

  it('is given up when the service hangs', async () => {
    server.script([{ hang: true }])
    const error = await failed(exa({ timeoutMs: 50 }).search(QUERY, { signal: NEVER }))
    expect(error.message).toContain('did not answer within 50 ms')
  })

  it('rejects with the reason of an abort', async () => {
    server.script([{ hang: true }])
    const abort = new AbortController()
    const answer = exa().search(QUERY, { signal: abort.signal })
    await server.requestsArrived(1)
    const reason = new Error('the turn is over')
    abort.abort(reason)
    await expect(answer).rejects.toBe(reason)
  })
})

describe('the simulated search', () => {
  it('finds the article on the topic, through the same client, and says that it is simulated', async () => {
    const simulated = await startSimulatedSearch()
    try {
      const search = new ExaSearch({ apiKey: 'simulated', baseUrl: simulated.url, simulated: true })
      const ask = (query: string) => search.search({ ...QUERY, query }, { signal: NEVER })
      const blocks = await ask('connection between memory blocks and Letta')
      const origin = await ask('origin of Letta')
      const unknown = await ask('bananas')
      expect(blocks.simulated).toBe(true)
      expect(blocks.results[0]?.summary).toMatch(/^Memory blocks are labelled sections/)
      expect(origin.results[0]?.summary).toMatch(/^Letta began as the MemGPT research project/)
      expect(unknown.results).toHaveLength(1)
      expect(unknown.results[0]?.summary).toContain('nothing about "bananas"')
      const found = [blocks, origin, unknown].flatMap(({ results }) => results)
      expect(found.every(({ url }) => url.startsWith('https://simulated.invalid/'))).toBe(true)
    } finally {
      await simulated.close()
    }
  })
})
