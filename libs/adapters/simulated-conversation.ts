import { SUMMARY_BEGIN } from '#turns/context.js'

/** What the stand-in needs to know of a chat request, read from the messages as a model would. */
export interface Conversation {
  /** The blocks of the system prompt, in its order. */
  readonly blocks: readonly ShownBlock[]
  /** What the user asked in this turn, newest first. */
  readonly asked: readonly string[]
  /** Tool calls made since, oldest first. */
  readonly calls: readonly MadeCall[]
  /** Names of the tools on offer. */
  readonly tools: ReadonlySet<string>
}

export interface ShownBlock {
  readonly label: string
  readonly readOnly: boolean
  readonly value: string
}

export interface MadeCall {
  readonly name: string
  readonly arguments: Readonly<Record<string, unknown>>
  /** What the tool returned, without the frame some agents put round it. */
  readonly result: string
  readonly failed: boolean
}

export interface ChatMessage {
  readonly role?: unknown
  readonly content?: unknown
  readonly tool_call_id?: unknown
  readonly tool_calls?: unknown
}

interface WireCall {
  readonly id?: unknown
  readonly function?: { readonly name?: unknown; readonly arguments?: unknown }
}

const BLOCK =
  /<([^<>\n]+)>\n<description>\n[\s\S]*?<\/description>\n<metadata>\n([\s\S]*?)<\/metadata>\n(?:<warning>[\s\S]*?<\/warning>\n)?<value>\n([\s\S]*?)\n?<\/value>\n<\/\1>/g

/** How news of the memory blocks begins, which comes in a user's message and is none. */
const NEWS = '<memory_updates>'

const isSaidByNobody = (said: string): boolean =>
  said.startsWith(NEWS) || said.startsWith(SUMMARY_BEGIN)

/** Everything before the newest message of the user is past and does not count. */
export function readConversation(
  all: readonly ChatMessage[],
  tools: Iterable<string>,
): Conversation {
  const messages = all.filter(({ content }) => !isSaidByNobody(text(content)))
  let last = messages.length - 1
  while (last >= 0 && messages[last]?.role !== 'user') last--
  let first = last
  while (first > 0 && messages[first - 1]?.role === 'user') first--
  const system = messages
    .filter(({ role }) => role === 'system' || role === 'developer')
    .map(({ content }) => text(content))
    .join('\n')
  return {
    blocks: readBlocks(system),
    asked:
      last < 0
        ? []
        : messages
            .slice(first, last + 1)
            .map(userText)
            .reverse(),
    calls: readCalls(messages.slice(last + 1)),
    tools: new Set(tools),
  }
}

function readBlocks(system: string): ShownBlock[] {
  const start = Math.max(0, system.indexOf('<memory_blocks>\n'))
  return Array.from(system.slice(start).matchAll(BLOCK), ([, label, metadata, value]) => ({
    label: label as string,
    readOnly: /^- read_only=true$/m.test(metadata as string),
    value: value as string,
  }))
}

function readCalls(messages: readonly ChatMessage[]): MadeCall[] {
  const results = new Map<unknown, string>()
  for (const message of messages) {
    if (message.role === 'tool') results.set(message.tool_call_id, text(message.content))
  }
  return messages
    .flatMap(({ tool_calls: calls }) => (Array.isArray(calls) ? (calls as WireCall[]) : []))
    .map((call) => ({
      name: String(call.function?.name ?? ''),
      arguments: object(String(call.function?.arguments ?? '')) ?? {},
      ...unframed(results.get(call.id) ?? ''),
    }))
}

/** Tool returns may come as they are or as `{"status": "OK" | "Failed", "message": …}`. */
function unframed(result: string): { result: string; failed: boolean } {
  const frame = object(result)
  if (typeof frame?.['message'] === 'string' && typeof frame['status'] === 'string') {
    return { result: frame['message'], failed: /^(?:failed|error)$/i.test(frame['status']) }
  }
  return { result, failed: /^(?:rejected|error)\b/i.test(result) || 'error' in (frame ?? {}) }
}

/** Some agents wrap what the user says as `{"type": "user_message", "message": …}`. */
function userText(message: ChatMessage): string {
  const said = text(message.content)
  const wrapped = object(said)?.['message']
  return typeof wrapped === 'string' ? wrapped : said
}

function text(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content.map((part: { text?: unknown } | null) => String(part?.text ?? '')).join('\n')
}

function object(json: string): Readonly<Record<string, unknown>> | null {
  if (!json.trimStart().startsWith('{')) return null
  try {
    return JSON.parse(json) as Readonly<Record<string, unknown>>
  } catch {
    return null
  }
}
