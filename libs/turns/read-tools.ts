import { z } from 'zod'
import type { Database } from '#postgres/database.js'
import { type ConversationMessage, searchConversation } from '#read-models/conversation.js'
import { type Search, SearchFailure } from './ports.js'

/** What a tool that edits nothing returns. `code` names a refusal. */
export interface ReadReturn {
  readonly status: 'success' | 'error'
  readonly result: string
  readonly code?: string
}

export interface ReadToolContext {
  readonly db: Database
  readonly search: Search
  readonly tenantId: string
  readonly agentId: string
  /** The agent's own search key, if it has one. */
  readonly searchKey?: string
  readonly now: Date
  readonly signal: AbortSignal
}

type ReadTool = (args: unknown, context: ReadToolContext) => Promise<ReadReturn>

/** Tools that read, or only speak: they may run again after a crash. */
export const READ_TOOLS: Readonly<Record<string, ReadTool>> = {
  web_search: webSearch,
  conversation_search: conversationSearch,
  send_message: sendMessage,
  memory_finish_edits: async () => ({ status: 'success', result: 'None' }),
}

const webSearchArguments = z.object({
  query: z.string(),
  num_results: z.int().min(1).max(100).default(10),
  category: z.string().nullish(),
  include_text: z.boolean().default(false),
  include_domains: z.array(z.string()).nullish(),
  exclude_domains: z.array(z.string()).nullish(),
  start_published_date: z.string().nullish(),
  end_published_date: z.string().nullish(),
  user_location: z.string().nullish(),
})

/** A provider's failure is text for the model, not an error of the tool; a missing key is an error. */
async function webSearch(args: unknown, context: ReadToolContext): Promise<ReadReturn> {
  const parsed = webSearchArguments.safeParse(args)
  if (!parsed.success) return invalid(parsed.error)
  const a = parsed.data
  if (a.query.trim() === '') {
    return success({ error: 'Query cannot be empty', query: a.query })
  }
  const query = {
    query: a.query,
    numResults: a.num_results,
    includeText: a.include_text,
    ...(a.category ? { category: a.category } : {}),
    ...(a.include_domains ? { includeDomains: a.include_domains } : {}),
    ...(a.exclude_domains ? { excludeDomains: a.exclude_domains } : {}),
    ...(a.start_published_date ? { startPublishedDate: a.start_published_date } : {}),
    ...(a.end_published_date ? { endPublishedDate: a.end_published_date } : {}),
    ...(a.user_location ? { userLocation: a.user_location } : {}),
  }
  const { signal, searchKey: apiKey } = context
  try {
    const found = await context.search.search(query, { signal, ...(apiKey ? { apiKey } : {}) })
    const simulated = found.simulated ? { simulated: true } : {}
    return success({ query: a.query, results: found.results, ...simulated })
  } catch (error) {
    if (!(error instanceof SearchFailure)) throw error
    if (error.reason === 'no_key')
      return { status: 'error', result: error.message, code: 'tool_not_runnable' }
    return success({ query: a.query, error: error.message })
  }
}

const conversationSearchArguments = z.object({
  query: z.string().nullish(),
  roles: z.array(z.enum(['assistant', 'user', 'tool'])).nullish(),
  limit: z.int().min(1).max(100).nullish(),
  start_date: z.string().nullish(),
  end_date: z.string().nullish(),
})

const DAY = /^\d{4}-\d{2}-\d{2}$/
const MINUTE = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$/
const DATE_FORMATS = "'YYYY-MM-DD' or 'YYYY-MM-DDTHH:MM'"

async function conversationSearch(args: unknown, context: ReadToolContext): Promise<ReadReturn> {
  const parsed = conversationSearchArguments.safeParse(args)
  if (!parsed.success) return invalid(parsed.error)
  const a = parsed.data
  const from = readDate(a.start_date, 'start')
  const until = readDate(a.end_date, 'end')
  if (from === undefined || until === undefined) {
    const result = `Dates must be written as ${DATE_FORMATS} (UTC).`
    return { status: 'error', result, code: 'invalid_argument' }
  }
  const found = await searchConversation(context.db, context.tenantId, context.agentId, {
    query: a.query ?? null,
    roles: a.roles && a.roles.length > 0 ? a.roles : ['assistant', 'user'],
    limit: a.limit ?? 5,
    from,
    until,
  })
  const results = found
    .map((message) => shown(message, context.now))
    .filter((r) => r.content !== '')
  if (results.length === 0) return { status: 'success', result: 'No results found.' }
  return success({ message: `Showing ${results.length} results:`, results })
}

/** Both ends inclusive: an end means the day's or the minute's last moment. `undefined`: unreadable. */
function readDate(text: string | null | undefined, end: 'start' | 'end'): Date | null | undefined {
  if (!text) return null
  const unit = DAY.test(text) ? 86_400_000 : MINUTE.test(text) ? 60_000 : 0
  const time = unit === 0 ? Number.NaN : Date.parse(DAY.test(text) ? `${text}T00:00Z` : `${text}Z`)
  if (Number.isNaN(time)) return undefined
  return new Date(end === 'end' ? time + unit : time)
}

function shown({ role, content, created_at }: ConversationMessage, now: Date) {
  const text = 'result' in content ? content.result : content.content
  const minutes = Math.max(0, Math.round((now.getTime() - created_at.getTime()) / 60_000))
  return {
    timestamp: created_at.toISOString(),
    time_ago: minutes < 120 ? `${minutes}m ago` : `${Math.round(minutes / 60)}h ago`,
    role,
    content:
      typeof text === 'string' ? text : (text ?? []).map((part) => part.text ?? '').join('\n'),
  }
}

async function sendMessage(args: unknown): Promise<ReadReturn> {
  const parsed = z.object({ message: z.string() }).safeParse(args)
  if (!parsed.success) return invalid(parsed.error)
  return { status: 'success', result: 'Sent message successfully.' }
}

function success(value: object): ReadReturn {
  return { status: 'success', result: JSON.stringify(value) }
}

function invalid(error: z.ZodError): ReadReturn {
  const faults = error.issues.map(
    (issue) => `${issue.path.join('.') || 'arguments'}: ${issue.message}`,
  )
  return {
    status: 'error',
    result: `The arguments do not fit: ${faults.join('; ')}`,
    code: 'invalid_argument',
  }
}
