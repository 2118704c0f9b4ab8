/** An article of the simulated web: written for this project, under a domain that cannot exist. */
export interface Article {
  readonly id: string
  readonly title: string
  /** Words besides those of title and summary by which the article is found. */
  readonly keywords: string
  /** One line. */
  readonly summary: string
  readonly publishedDate: string
}

const ARTICLES: readonly Article[] = [
  {
    id: 'memory-blocks',
    title: 'Memory blocks and Letta',
    keywords: 'connection relation shared sharing attach label context agents',
    summary:
      "Memory blocks are labelled sections of an agent's context that the agent can edit; sharing one gives several agents a common workspace.",
    publishedDate: '2025-05-14T00:00:00.000Z',
  },
  {
    id: 'origin-of-letta',
    title: 'The origin of Letta',
    keywords: 'history began founded founders start started berkeley company who',
    summary:
      'Letta began as the MemGPT research project on long-term memory for language-model agents.',
    publishedDate: '2024-09-23T00:00:00.000Z',
  },
  {
    id: 'memgpt',
    title: 'MemGPT: a language model as an operating system',
    keywords: 'paper virtual paging hierarchy archival recall',
    summary:
      'MemGPT treats the context window like main memory and moves text between it and outside storage with tool calls.',
    publishedDate: '2023-10-12T00:00:00.000Z',
  },
  {
    id: 'event-sourcing',
    title: 'Event sourcing',
    keywords: 'events log append only history audit state fold replay',
    summary:
      'Event sourcing keeps every change as an event that is never edited and computes the present state by folding them.',
    publishedDate: '2024-02-01T00:00:00.000Z',
  },
  {
    id: 'concurrent-edits',
    title: 'Concurrent edits of shared text',
    keywords: 'concurrency conflict lost update insert replace rethink agents same time',
    summary:
      'When two writers start from the same text, judging each edit against the newest version keeps both and loses neither.',
    publishedDate: '2024-11-05T00:00:00.000Z',
  },
  {
    id: 'read-only-blocks',
    title: 'Read-only blocks',
    keywords: 'policy policies terms guideline guidelines protect shared',
    summary:
      'A read-only block lets many agents consult a policy or guideline that none of them can change.',
    publishedDate: '2025-03-20T00:00:00.000Z',
  },
  {
    id: 'durable-execution',
    title: 'Durable execution of agents',
    keywords: 'crash resume journal worker queue job jobs bullmq retry step',
    summary:
      'Durable execution records the result of each step, so that a run that was interrupted goes on where it stopped.',
    publishedDate: '2025-01-15T00:00:00.000Z',
  },
  {
    id: 'context-window',
    title: 'The context window',
    keywords: 'tokens limit prompt llm language model size long',
    summary:
      'A language model reads a bounded number of tokens at once; what does not fit must be left out, shortened or stored elsewhere.',
    publishedDate: '2024-06-30T00:00:00.000Z',
  },
]

const STOP_WORDS = new Set(
  'a about an and are as at between by for from how in is it of on or that the to was what with'.split(
    ' ',
  ),
)

/**
 * Articles by the number of words they share with `query`, best first and in the corpus' order among
 * equals. Nothing in common: one article that says so, never an unrelated one.
 */
export function articlesAbout(query: string, articlesMax: number): Article[] {
  const asked = words(query)
  const found = ARTICLES.map((article) => ({ article, score: shared(article, asked) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, articlesMax)
    .map(({ article }) => article)
  return found.length > 0 ? found : [nothingAbout(query)]
}

/** Lower-case words, without those that stand in every text. */
export function words(text: string): Set<string> {
  const all = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
  return new Set(all.filter((word) => !STOP_WORDS.has(word)))
}

/** A word of the title weighs twice: it says what the article is about. */
function shared({ title, keywords, summary }: Article, asked: ReadonlySet<string>): number {
  const titleWords = words(title)
  const otherWords = words(`${keywords} ${summary}`)
  let score = 0
  for (const word of asked) {
    score += (titleWords.has(word) ? 2 : 0) + (otherWords.has(word) ? 1 : 0)
  }
  return score
}

function nothingAbout(query: string): Article {
  const topic = query.replace(/\s+/g, ' ').trim().slice(0, 100).toWellFormed()
  return {
    id: 'nothing-found',
    title: 'Not in the simulated corpus',
    keywords: '',
    summary: `The simulated search holds nothing about "${topic}"; it knows a few facts about shared agent memory.`,
    publishedDate: '2025-01-01T00:00:00.000Z',
  }
}
