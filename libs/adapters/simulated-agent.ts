import type { Conversation, MadeCall, ShownBlock } from './simulated-conversation.js'
import { words } from './simulated-corpus.js'
import { type Intent, oneLine, readIntent } from './simulated-intent.js'

/** What a model answers: text, or one call. */
export interface SimulatedReply {
  readonly content: string | null
  readonly call: SimulatedCall | null
}

export interface SimulatedCall {
  readonly name: string
  readonly arguments: Readonly<Record<string, unknown>>
}

/** An edit of a block, in the terms of whichever memory tools are on offer. */
type Edit = Exclude<Intent, { kind: 'research' }>

/** Begins every text the stand-in makes up, so that nobody takes it for a model's. */
const MARK = '[simulated]'
const QUOTE_CHARACTERS_MAX = 300
const INSERT_TOOLS = ['memory_insert', 'core_memory_append']
const REPLACE_TOOLS = ['memory_replace', 'core_memory_replace']
const EDIT_TOOLS = new Set([...INSERT_TOOLS, ...REPLACE_TOOLS, 'memory_rethink'])

/**
 * The next step of the stand-in for a model: a pure function of the conversation. It searches the web
 * when asked for information, edits a memory block when asked for that (in the tutorial: the one after
 * the other), tries once more when a replace found nothing, and then says what came of it.
 */
export function simulatedReply(conversation: Conversation): SimulatedReply {
  const labels = conversation.blocks.map(({ label }) => label)
  const ask = conversation.asked.find((text) => readIntent(text, labels) !== null)
  const intent = ask === undefined ? null : readIntent(ask, labels)
  const last = conversation.calls.at(-1)
  if (last?.name === 'send_message') return { content: `${MARK} The message is sent.`, call: null }
  if (!intent || ask === undefined) return final(conversation, smallTalk(conversation))
  if (!last) return firstStep(conversation, intent, ask)
  if (last.name === 'web_search') return afterSearch(conversation, intent, ask, last)
  if (EDIT_TOOLS.has(last.name)) return afterEdit(conversation, intent, last)
  return final(conversation, 'I did what my rules know of; nothing is left to do.')
}

function firstStep(conversation: Conversation, intent: Intent, ask: string): SimulatedReply {
  if (intent.kind !== 'research') return edit(conversation, intent, ask)
  if (!conversation.tools.has('web_search')) {
    return final(conversation, `I have no web_search tool to find "${intent.topic}" with.`)
  }
  return calling('web_search', { query: intent.topic })
}

function afterSearch(
  conversation: Conversation,
  intent: Intent,
  ask: string,
  search: MadeCall,
): SimulatedReply {
  if (intent.kind !== 'research') return final(conversation, 'The search is done.')
  const fact = search.failed ? null : firstFact(search.result)
  if (!fact) {
    const said = quoted(search.result)
    return final(conversation, `The web search gave nothing to insert: ${said}`)
  }
  if (!intent.insert) return final(conversation, fact)
  const text = `${intent.prefix}${MARK} ${fact}`
  return edit(conversation, { kind: 'insert', text }, ask)
}

function afterEdit(conversation: Conversation, intent: Intent, made: MadeCall): SimulatedReply {
  const { result } = made
  const label = String(made.arguments['label'] ?? 'the block')
  const version = /\bversion=(\d+)/.exec(result)?.[1]
  const at = version ? ` (version ${version})` : ''
  if (/^unchanged\b/.test(result)) {
    return final(conversation, `"${label}" already says so${at}; nothing was changed.`)
  }
  if (made.failed) {
    const again = retry(conversation, made)
    if (again) return again
    const why = result.includes('read-only') ? 'it is read-only and was left as it is. ' : ''
    return final(
      conversation,
      `The change of "${label}" was refused: ${why}${quoted(firstParagraph(result))}`,
    )
  }
  if (intent.kind === 'research') {
    return final(
      conversation,
      `I searched for "${intent.topic}" and added one line to "${label}"${at}.`,
    )
  }
  return final(conversation, `I changed "${label}" with ${made.name}${at}.`)
}

/** Chooses block and tool. Only when every block is read-only is one of those tried: the refusal is told. */
function edit(conversation: Conversation, wanted: Edit, ask: string): SimulatedReply {
  const block = target(conversation.blocks, ask)
  if (!block) return final(conversation, 'I have no memory block to change.')
  const { label, value } = block
  const insert = INSERT_TOOLS.find((name) => conversation.tools.has(name))
  const replace = REPLACE_TOOLS.find((name) => conversation.tools.has(name))
  if (wanted.kind === 'replace' && replace) {
    return replacing(replace, label, wanted.old, wanted.new)
  }
  if (wanted.kind === 'rewrite') {
    if (conversation.tools.has('memory_rethink')) {
      return calling('memory_rethink', { label, new_memory: wanted.text })
    }
    if (replace && value !== '') return replacing(replace, label, value, wanted.text)
  }
  if (!insert || wanted.kind === 'replace') {
    return final(conversation, `I have no tool to make this change of "${label}" with.`)
  }
  const text = wanted.kind === 'change' ? `${MARK} Asked: ${quoted(ask)}` : wanted.text
  return insert === 'memory_insert'
    ? calling(insert, { label, new_string: text })
    : calling(insert, { label, content: text })
}

/** A block the user names; else the first that may be written; else the first. */
function target(blocks: readonly ShownBlock[], ask: string): ShownBlock | undefined {
  const said = ask.toLowerCase()
  const named = blocks.find(({ label }) => {
    const name = label.toLowerCase()
    return [`"${name}"`, `${name} block`, `block ${name}`].some((phrase) => said.includes(phrase))
  })
  return named ?? blocks.find(({ readOnly }) => !readOnly) ?? blocks[0]
}

/** One more try after a replace that found nothing, with the line of the text shown that is most alike. */
function retry(conversation: Conversation, made: MadeCall): SimulatedReply | null {
  const replaces = conversation.calls.filter(({ name }) => REPLACE_TOOLS.includes(name))
  if (!made.result.startsWith('rejected replace_no_match') || replaces.length > 1) return null
  const args = made.arguments
  const old = String(args['old_string'] ?? args['old_content'] ?? '')
  const line = nearestLine(made.result, old)
  if (!line) return null
  const text = String(args['new_string'] ?? args['new_content'] ?? '')
  return replacing(made.name, String(args['label']), line, text)
}

function nearestLine(result: string, old: string): string | null {
  const shown = /^--- current text[^\n]*\n([\s\S]*)/m.exec(result)?.[1]
  const named = /^.*\bNearest now is [^"\n]*(".*")\.?$/m.exec(result)?.[1]
  const lines = (shown?.split('\n') ?? []).map((line) => line.replace(/^\d+→ /, ''))
  const candidates = [...(named ? [String(JSON.parse(named))] : []), ...lines]
  const asked = words(old)
  const alike = (line: string) => [...words(line)].filter((word) => asked.has(word)).length
  const best = candidates.reduce((a, b) => (alike(b) > alike(a) ? b : a), '')
  return best === '' || best === old ? null : best
}

function replacing(tool: string, label: string, old: string, text: string): SimulatedReply {
  return tool === 'memory_replace'
    ? calling(tool, { label, old_string: old, new_string: text })
    : calling(tool, { label, old_content: old, new_content: text })
}

/** The first thing a search result says, on one line. */
function firstFact(result: string): string | null {
  try {
    const [first] = JSON.parse(result).results
    const fact = first.summary || first.highlights?.[0] || first.text || first.title
    return typeof fact === 'string' ? quoted(fact) : null
  } catch {
    return null
  }
}

function firstParagraph(result: string): string {
  return result.split(/\n(?:Next:|--- current text)/)[0] ?? ''
}

function quoted(text: string): string {
  const line = oneLine(text)
  return line.length <= QUOTE_CHARACTERS_MAX
    ? line
    : `${line.slice(0, QUOTE_CHARACTERS_MAX).toWellFormed()}…`
}

function smallTalk(conversation: Conversation): string {
  const labels = conversation.blocks.map(({ label }) => `"${label}"`).join(', ')
  return `I am a scripted stand-in and answer by rules, not by a model. Ask me to find information about something and insert it into the memory block, or to replace "a" by "b".${labels ? ` I see ${labels}.` : ''}`
}

/** Agents with a send_message tool speak through it, the others in plain text. */
function final(conversation: Conversation, text: string): SimulatedReply {
  const message = `${MARK} ${text}`
  return conversation.tools.has('send_message')
    ? calling('send_message', { message })
    : { content: message, call: null }
}

function calling(name: string, args: SimulatedCall['arguments']): SimulatedReply {
  return { content: null, call: { name, arguments: args } }
}
