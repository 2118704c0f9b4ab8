import { createHash } from 'node:crypto'
import type { ModelRequest, ModelResponse, ModelToolCall, ModelUsage } from '#turns/ports.js'
import { storable, storableJson } from './storable-text.js'

const CHARACTERS_PER_TOKEN = 4
/** The longest tool-call id OpenAI takes back in a later request. */
const CALL_ID_CHARACTERS_MAX = 40

type Json = Readonly<Record<string, unknown>>

/** A 200 that holds no completion. */
export class UnreadableReply extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UnreadableReply'
  }
}

/**
 * A chat completion as any OpenAI-compatible server sends it, in the port's terms. Servers differ in
 * what they leave out (usage, call ids, finish reason) and each gap is filled here.
 *
 * @throws UnreadableReply when there is no message in it.
 */
export function readReply(
  completion: unknown,
  request: ModelRequest,
  simulated: boolean,
): ModelResponse {
  const body = object(typeof completion === 'string' ? parsed(completion) : completion)
  const choice = object(Array.isArray(body?.['choices']) ? body['choices'][0] : null)
  const message = object(choice?.['message'])
  if (!body || !choice || !message) throw new UnreadableReply('the answer holds no message')

  let repaired = false
  const mended = (text: string, mend: (text: string) => string) => {
    const kept = mend(text)
    repaired ||= kept !== text
    return kept
  }
  const wrote = (text: string | null) => (text === null ? null : mended(text, storable) || null)
  const calls = (Array.isArray(message['tool_calls']) ? message['tool_calls'] : []).map((call) => {
    const made = object(object(call)?.['function'])
    return {
      id: storable(string(object(call)?.['id']) ?? ''),
      name: mended(string(made?.['name']) ?? '', storable),
      arguments: mended(argumentsText(made?.['arguments']), storableJson),
    }
  })
  const content = wrote(contentText(message['content']) ?? string(message['refusal']))
  const reasoning = wrote(string(message['reasoning_content']) ?? string(message['reasoning']))
  return {
    content,
    reasoning,
    toolCalls: withUniqueIds(calls, string(body['id']) ?? ''),
    finishReason: finishReason(choice['finish_reason'], calls.length > 0),
    usage: readUsage(object(body['usage'])) ?? estimatedUsage(request, content, reasoning, calls),
    providerResponseId: string(body['id']) && storable(body['id'] as string),
    simulated,
    repaired,
  }
}

/** Ids are what results are matched by, so two calls of one answer must not share one. */
function withUniqueIds(calls: readonly ModelToolCall[], seed: string): ModelToolCall[] {
  const taken = new Set<string>()
  return calls.map((call, index) => {
    let id = call.id || madeId(seed, index, call)
    for (let n = 2; taken.has(id); n++) {
      const suffix = `_${n}`
      id = call.id.slice(0, CALL_ID_CHARACTERS_MAX - suffix.length) + suffix
    }
    taken.add(id)
    return { ...call, id }
  })
}

function madeId(seed: string, index: number, call: ModelToolCall): string {
  const hash = createHash('sha256').update(JSON.stringify([seed, index, call.name, call.arguments]))
  return `call_${hash.digest('hex').slice(0, 24)}`
}

/** Some servers say `stop` although they call a tool; a cut answer stays one, its last call may be cut too. */
function finishReason(reason: unknown, calls: boolean): ModelResponse['finishReason'] {
  if (reason === 'length' || reason === 'content_filter') return reason
  return calls ? 'tool_calls' : 'stop'
}

function readUsage(usage: Json | null): ModelUsage | null {
  const prompt = count(usage?.['prompt_tokens'])
  const completion = count(usage?.['completion_tokens'])
  if (usage === null || prompt === null || completion === null) return null
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: count(usage['total_tokens']) ?? prompt + completion,
    cached_input_tokens: count(object(usage['prompt_tokens_details'])?.['cached_tokens']) ?? 0,
    reasoning_tokens: count(object(usage['completion_tokens_details'])?.['reasoning_tokens']) ?? 0,
  }
}

function estimatedUsage(
  request: ModelRequest,
  content: string | null,
  reasoning: string | null,
  calls: readonly ModelToolCall[],
): ModelUsage {
  const prompt = tokens(JSON.stringify(request.messages) + JSON.stringify(request.tools))
  const called = calls.map((call) => call.name + call.arguments).join('')
  const completion = tokens((content ?? '') + (reasoning ?? '') + called)
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    cached_input_tokens: 0,
    reasoning_tokens: reasoning === null ? 0 : tokens(reasoning),
    estimated: true,
  }
}

/** A rough count for servers that send none: four characters to a token. */
export function tokens(text: string): number {
  return Math.ceil(text.length / CHARACTERS_PER_TOKEN)
}

/** Text, or a list of parts of which only text is for the user. */
export function contentText(content: unknown): string | null {
  if (!Array.isArray(content)) return string(content)
  const parts = content.map((part) => string(object(part)?.['text']) ?? '')
  return parts.join('')
}

/** Arguments are text on the wire, but some servers send the object itself. */
export function argumentsText(value: unknown): string {
  if (typeof value === 'string') return value
  return value === undefined || value === null ? '' : JSON.stringify(value)
}

export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new UnreadableReply('the answer is not JSON')
  }
}

export function object(value: unknown): Json | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Json)
    : null
}

export function string(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null
}
