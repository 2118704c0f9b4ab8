import { slice } from '#domain/text.js'
import {
  type Search,
  SearchFailure,
  type SearchQuery,
  type SearchResult,
  type SearchResults,
} from '#turns/ports.js'
import { failureReason } from './failure-reason.js'
import { storable } from './storable-text.js'

const OFFICIAL_URL = 'https://api.exa.ai'
const TEXT_CHARACTERS_MAX = 4_000
const SUMMARY_CHARACTERS_MAX = 2_000
const HIGHLIGHT_CHARACTERS_MAX = 1_000
const TITLE_CHARACTERS_MAX = 500
const URL_CHARACTERS_MAX = 2_000
const MESSAGE_CHARACTERS_MAX = 500
const RESULTS_MAX = 100
const HIGHLIGHTS = { numSentences: 2, highlightsPerUrl: 3 }

export interface ExaSearchOptions {
  /** The server's key; null when only agents' own keys can be used. */
  readonly apiKey: string | null
  /** Null for Exa itself. */
  readonly baseUrl: string | null
  /** True when the server behind `baseUrl` is the stand-in: every answer says so. */
  readonly simulated: boolean
  /** Milliseconds for one search: 30 000. */
  readonly timeoutMs?: number
}

/** The search port over Exa's own SDK: highlights of two sentences by three and a summary per page. */
export class ExaSearch implements Search {
  constructor(private readonly options: ExaSearchOptions) {}

  /** See `Search.search`. */
  async search(
    query: SearchQuery,
    options: { apiKey?: string; signal: AbortSignal },
  ): Promise<SearchResults> {
    const { signal } = options
    signal.throwIfAborted()
    const { simulated, apiKey: serverKey } = this.options
    // An agent's own key is real: it has no business at the stand-in.
    const apiKey = simulated ? serverKey : options.apiKey || serverKey
    if (!apiKey) {
      throw new SearchFailure(
        'no_key',
        'EXA_API_KEY is not set (server or agent env): set it for the server, or as a secret of the agent.',
      )
    }
    try {
      const answer = await this.limited(signal, this.ask(query, apiKey))
      return { results: readResults(answer), simulated }
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof SearchFailure) throw error
      throw new SearchFailure('provider', `The web search failed: ${told(error, apiKey)}`)
    }
  }

  private async ask(query: SearchQuery, apiKey: string): Promise<unknown> {
    // 19 MB of SDK, needed by few agents: loaded with the first search, not with the process.
    const { Exa } = await import('exa-js')
    const exa = new Exa(apiKey, (this.options.baseUrl ?? OFFICIAL_URL).replace(/\/+$/, ''))
    const { numResults, category, includeText, includeDomains, excludeDomains } = query
    const { startPublishedDate, endPublishedDate, userLocation } = query
    const request = {
      type: 'auto' as const,
      numResults,
      category,
      includeDomains: includeDomains && [...includeDomains],
      excludeDomains: excludeDomains && [...excludeDomains],
      startPublishedDate,
      endPublishedDate,
      userLocation,
      contents: {
        highlights: { ...HIGHLIGHTS, query: query.query },
        summary: { query: query.query },
        ...(includeText && { text: { maxCharacters: TEXT_CHARACTERS_MAX } }),
      },
    }
    // The SDK closes the list of categories, the service does not.
    return exa.search(query.query, request as Parameters<typeof exa.search>[1])
  }

  /** The SDK takes no signal: an abort stops the waiting, the request itself ends unheard. */
  private async limited<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
    const timeoutMs = this.options.timeoutMs ?? 30_000
    const stop = new AbortController()
    const stopped = new Promise<never>((_, reject) => {
      const late = `the search service did not answer within ${timeoutMs} ms`
      const timer = setTimeout(() => reject(new Error(late)), timeoutMs)
      stop.signal.addEventListener('abort', () => clearTimeout(timer))
      signal.addEventListener('abort', () => reject(signal.reason), { signal: stop.signal })
    })
    try {
      return await Promise.race([work, stopped])
    } finally {
      stop.abort()
    }
  }
}

function readResults(answer: unknown): SearchResult[] {
  const results = (answer as { results?: unknown } | null)?.results
  if (!Array.isArray(results)) throw new Error('the answer of the search service holds no results')
  return results
    .filter((result) => typeof result?.url === 'string')
    .slice(0, RESULTS_MAX)
    .map((result: Readonly<Record<string, unknown>>) => {
      const text = cut(result['text'], TEXT_CHARACTERS_MAX)
      const summary = cut(result['summary'], SUMMARY_CHARACTERS_MAX)
      const highlights = Array.isArray(result['highlights'])
        ? result['highlights'].flatMap((h) => cut(h, HIGHLIGHT_CHARACTERS_MAX) ?? [])
        : null
      return {
        title: cut(result['title'], TITLE_CHARACTERS_MAX),
        url: cut(result['url'], URL_CHARACTERS_MAX) as string,
        published_date: cut(result['publishedDate'], TITLE_CHARACTERS_MAX),
        author: cut(result['author'], TITLE_CHARACTERS_MAX),
        ...(text !== null && { text }),
        ...(highlights !== null && { highlights }),
        ...(summary !== null && { summary }),
      }
    })
}

/** At most `charactersMax` code points that the database can hold. */
function cut(value: unknown, charactersMax: number): string | null {
  return typeof value === 'string' ? slice(storable(value), 0, charactersMax) : null
}

/** The reason without the key: this text goes to the model and may end in its memory. */
function told(error: unknown, apiKey: string): string {
  const reason = failureReason(error).replaceAll(apiKey, '[key]')
  return slice(storable(reason), 0, MESSAGE_CHARACTERS_MAX)
}
