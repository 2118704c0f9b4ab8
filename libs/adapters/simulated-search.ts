import { type LoopbackServer, sendJson, startLoopbackServer } from './loopback-server.js'
import { type Article, articlesAbout } from './simulated-corpus.js'

const RESULTS_MAX = 100
const AUTHOR = 'Palimpsest simulated search'

interface SearchBody {
  readonly query?: unknown
  readonly numResults?: unknown
  readonly contents?: {
    readonly text?: boolean | object
    readonly highlights?: boolean | object
    readonly summary?: boolean | object
  }
}

/**
 * Serves a few facts over Exa's wire on loopback (`POST /search`), so that a start without keys runs
 * the same client code as one with them. Every answer carries `"simulated": true` and addresses under
 * `simulated.invalid`, a domain nobody can own.
 */
export function startSimulatedSearch(): Promise<LoopbackServer> {
  return startLoopbackServer((request, response) => {
    if (request.method !== 'POST' || request.path !== '/search') {
      return sendJson(response, 404, { error: `No route ${request.method} ${request.path}` })
    }
    const body = parsed(request.body)
    if (typeof body?.query !== 'string' || body.query.trim() === '') {
      return sendJson(response, 400, { error: 'query must be a text that is not empty' })
    }
    sendJson(response, 200, answer(body.query, body))
  })
}

function answer(query: string, body: SearchBody): object {
  const { numResults, contents } = body
  const wanted = typeof numResults === 'number' ? numResults : 10
  const resultsMax = Math.min(RESULTS_MAX, Math.max(1, Math.trunc(wanted)))
  return {
    requestId: 'simulated',
    resolvedSearchType: 'neural',
    simulated: true,
    results: articlesAbout(query, resultsMax).map((article) => result(article, contents)),
    searchTime: 0,
    costDollars: { total: 0 },
  }
}

function result(article: Article, contents: SearchBody['contents']): object {
  const url = `https://simulated.invalid/${article.id}`
  const { title, summary, publishedDate } = article
  return {
    id: url,
    url,
    title,
    publishedDate,
    author: AUTHOR,
    ...(contents?.text && { text: `${title}. ${summary}` }),
    ...(contents?.highlights && { highlights: [summary], highlightScores: [1] }),
    ...(contents?.summary && { summary }),
  }
}

function parsed(text: string): SearchBody | null {
  try {
    return JSON.parse(text) as SearchBody | null
  } catch {
    return null
  }
}
