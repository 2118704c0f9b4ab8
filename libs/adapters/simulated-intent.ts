/** What a user's sentence asks for, as far as the stand-in understands it. */
export type Intent =
  | {
      readonly kind: 'research'
      readonly topic: string
      readonly insert: boolean
      readonly prefix: string
    }
  | { readonly kind: 'insert'; readonly text: string }
  | { readonly kind: 'replace'; readonly old: string; readonly new: string }
  | { readonly kind: 'rewrite'; readonly text: string }
  /** A change is wanted, but no words for it are given. */
  | { readonly kind: 'change' }

const TOPIC_CHARACTERS_MAX = 200
const RESEARCH =
  /\b(?:find(?: out)?(?: some)? information (?:about|on)|(?:search|look)(?: the web)? for|look up)\s+([\s\S]+)/i
/** A sentence ends before a capital, a quotation mark or a blank: `Node.js` has no end in it. */
const TOPIC_END =
  /[.!?](?=[\sA-Z"“]|$)|\n|,?\s+and\s+(?:then\s+)?(?:insert|add|append|write|save)\b/
const PREFIX = /\b(?:prepended|prefixed)\s+(?:with|by)\s*/i
const QUOTED = /"([^"]*)"|“([^”]*)”|`([^`]*)`|(?<!\w)'([^']*)'(?!\w)/g

const INSERTS = /\b(?:insert|add|append|write|put|note|remember|record|save|store)\b/i
const REPLACES = /\b(?:replace|change|swap|substitute)\b/i
const REWRITES = /\b(?:rewrite|rethink|overwrite|set|change|update|edit|modify)\b/i
const QUESTION = /^\s*(?:what|who|whose|when|where|why|how|which|is|are|was|does|do|did)\b/i
const REMOVES = /\b(?:remove|delete|erase|clear)\b/i
const MEMORY = /\b(?:blocks?|memory|memories|polic(?:y|ies))\b/i
const REPLACE_WORDS = /\breplace\s+(.+?)\s+(?:by|with)\s+(.+?)(?:\s+in\s+(?:the|your)\b.*)?[.!]?$/im
const REWRITE_WORDS = /(?:\b(?:to|as)(?:\s+(?:say|read|be))?|:)\s+(.+?)\s*$/im
const INSERT_WORDS = /(?::|\bthat\b)\s*(.+?)\s*$/im

interface Quotation {
  readonly text: string
  readonly start: number
  readonly end: number
}

/**
 * Reads one message of a user. `labels` are those of the agent's blocks: naming one counts as naming
 * the memory. Null when nothing in it asks for the web or for a change of the memory.
 */
export function readIntent(message: string, labels: readonly string[]): Intent | null {
  const { prefix, rest } = withoutPrefix(message)
  const researched = RESEARCH.exec(rest)
  if (researched) {
    const topic = readTopic(researched[1] as string)
    if (topic) return { kind: 'research', topic, insert: INSERTS.test(rest), prefix }
  }
  const named = labels.some((label) => rest.toLowerCase().includes(label.toLowerCase()))
  const quotes = quotations(rest).filter(({ text }) => !labels.includes(text))
  return (
    readReplace(rest, quotes) ??
    (named || MEMORY.test(rest) || /\b(?:remember|note)\b/i.test(rest)
      ? readChange(rest, quotes, prefix)
      : null)
  )
}

/** All blanks as one, on one line. */
export function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}

function withoutPrefix(message: string): { prefix: string; rest: string } {
  const found = PREFIX.exec(message)
  if (!found) return { prefix: '', rest: message }
  const after = found.index + found[0].length
  const [quote] = quotations(message.slice(after))
  if (quote?.start !== 0) return { prefix: '', rest: message }
  return {
    // The line that is inserted stays one line, whatever the prefix holds.
    prefix: quote.text.replace(/[\r\n]+/g, ' '),
    rest: message.slice(0, found.index) + message.slice(after + quote.end),
  }
}

function readTopic(text: string): string {
  const end = TOPIC_END.exec(text.trimStart())
  const topic = oneLine(text.trimStart().slice(0, end?.index))
  return topic
    .replace(/^(?:the|an?)\s+/i, '')
    .slice(0, TOPIC_CHARACTERS_MAX)
    .toWellFormed()
}

function readReplace(text: string, quotes: readonly Quotation[]): Intent | null {
  const [from, to] = quotes
  if (from && to && REPLACES.test(text.slice(0, from.start))) {
    const between = text.slice(from.end, to.start)
    if (/\b(?:by|with|to|into|for)\s*:?\s*$/i.test(between)) {
      return { kind: 'replace', old: from.text, new: to.text }
    }
  }
  const plain = quotes.length === 0 ? REPLACE_WORDS.exec(text) : null
  return plain ? { kind: 'replace', old: plain[1] as string, new: plain[2] as string } : null
}

function readChange(text: string, quotes: readonly Quotation[], prefix: string): Intent | null {
  if (QUESTION.test(text)) return null
  const [quote] = quotes
  const insertAt = text.search(INSERTS)
  const rewriteAt = text.search(REWRITES)
  // The first verb is the request, later ones belong to its object: "insert: change the locks".
  if (insertAt >= 0 && (rewriteAt < 0 || insertAt < rewriteAt)) {
    const words = quote?.text ?? INSERT_WORDS.exec(text.slice(insertAt))?.[1]
    if (words) return { kind: 'insert', text: prefix + words }
  } else if (rewriteAt >= 0) {
    const words = quote?.text ?? REWRITE_WORDS.exec(text.slice(rewriteAt))?.[1]
    if (words) return { kind: 'rewrite', text: words }
  }
  const wanted = [INSERTS, REPLACES, REWRITES, REMOVES].some((verb) => verb.test(text))
  return wanted ? { kind: 'change' } : null
}

function quotations(text: string): Quotation[] {
  return Array.from(text.matchAll(QUOTED), (found) => ({
    text: found[1] ?? found[2] ?? found[3] ?? found[4] ?? '',
    start: found.index,
    end: found.index + found[0].length,
  }))
}
