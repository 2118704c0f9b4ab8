import type { StepState } from '#domain/turn.js'
import type { InputMessage, MemoryDelta, ToolCall } from '#domain/turn-events.js'
import type { SpokenContent } from '#postgres/message-content.js'
import type { ModelMessage, ModelTool } from './ports.js'

/** A stored message of an earlier turn. */
export interface PastMessage {
  readonly message_id: string
  readonly role: 'system' | 'user' | 'assistant' | 'tool'
  readonly content: SpokenContent
}

/** Rough tokens of a text: four characters each. Only the window is cut by it; usage is the provider's. */
const CHARACTERS_PER_TOKEN = 4
const TOKENS_PER_MESSAGE = 8
/** How it begins: a message of the user's place that no user wrote. */
export const SUMMARY_BEGIN = '<conversation_summary>'
const NO_RESULT = 'No result: the turn ended before this tool returned.'

/** What a turn's prompt is made of; compiled once, later steps only append to it. */
export interface CompiledPrompt {
  readonly system: string
  /** What stands for everything before the history; null: nothing does. */
  readonly summary: string | null
  readonly history: readonly PastMessage[]
  readonly input: readonly InputMessage[]
  readonly tools: readonly ModelTool[]
}

/**
 * The messages of a model request: the prompt, then the turn's finished steps, then what others have
 * changed meanwhile. Nothing that was sent before is ever sent differently: providers cache it.
 */
export function modelMessages(
  prompt: CompiledPrompt,
  steps: readonly StepState[],
  delta: MemoryDelta | null = null,
): ModelMessage[] {
  return [
    { role: 'system', content: prompt.system },
    ...(prompt.summary === null ? [] : [summaryMessage(prompt.summary)]),
    ...pastMessages(prompt.history),
    ...prompt.input.map(inputMessage),
    ...steps.flatMap(stepMessages),
    ...news(delta),
  ]
}

function summaryMessage(summary: string): ModelMessage {
  return { role: 'user', content: summaryText(summary) }
}

/** A summary as the model reads it. */
export function summaryText(summary: string): string {
  return `${SUMMARY_BEGIN}\nWhat was said before, summarised:\n${summary}\n</conversation_summary>`
}

function news(delta: MemoryDelta | null): ModelMessage[] {
  return delta ? [{ role: 'user', content: delta.text }] : []
}

function stepMessages({ delta, reply, calls }: StepState): ModelMessage[] {
  return [...news(delta), ...answered({ reply, calls })]
}

function answered({ reply, calls }: Pick<StepState, 'reply' | 'calls'>): ModelMessage[] {
  if (!reply) return []
  const resultOf = (id: string) =>
    calls.find((call) => call.tool_call_id === id)?.returned?.result ?? null
  return exchange(reply.content, calls, resultOf)
}

/**
 * A model's answer and the returns of its calls, right behind it and in the order of the calls. A call
 * whose turn ended before it returned still gets an answer: providers refuse the request otherwise.
 */
function exchange(
  content: string | null,
  calls: readonly ToolCall[],
  resultOf: (id: string) => string | null,
): ModelMessage[] {
  if (calls.length === 0) return [{ role: 'assistant', content }]
  const tool_calls = calls.map(({ tool_call_id: id, name, arguments: args }) => ({
    id,
    name,
    arguments: args,
  }))
  const returns = tool_calls.map(({ id }): ModelMessage => {
    return { role: 'tool', tool_call_id: id, content: resultOf(id) ?? NO_RESULT }
  })
  return [{ role: 'assistant', content, tool_calls }, ...returns]
}

/** Returns belong to the answer before them: the ids of calls may repeat from turn to turn. */
function pastMessages(history: readonly PastMessage[]): ModelMessage[] {
  return history.flatMap(({ role, content }, i): ModelMessage[] => {
    if ('tool_call_id' in content) return []
    if (!('tool_calls' in content)) {
      return [inputMessage({ role: role === 'tool' ? 'user' : role, content: content.content })]
    }
    const returns = new Map<string, string>()
    for (const { content: next } of history.slice(i + 1)) {
      if (!('tool_call_id' in next)) break
      returns.set(next.tool_call_id, next.result)
    }
    return exchange(content.content, content.tool_calls, (id) => returns.get(id) ?? null)
  })
}

function inputMessage({ role, content }: Pick<InputMessage, 'role' | 'content'>): ModelMessage {
  const text = spokenText(content)
  return role === 'assistant' ? { role, content: text } : { role, content: text }
}

/** The text of what was said; the texts of its parts on lines of their own. */
export function spokenText(content: InputMessage['content']): string {
  if (typeof content === 'string') return content
  return content.map((part) => (typeof part.text === 'string' ? part.text : '')).join('\n')
}

/** Rough tokens of stored messages in a prompt. */
export function messageTokens(past: readonly PastMessage[]): number {
  return past.reduce(
    (sum, { content }) => sum + estimateTokens(JSON.stringify(content)) + TOKENS_PER_MESSAGE,
    0,
  )
}

/**
 * The newest past messages that fit a window, oldest first, and how many did not. A cut never parts a
 * tool's return from the call it answers.
 *
 * @param room tokens left for the history.
 */
export function fitHistory(
  past: readonly PastMessage[],
  room: number,
): { history: readonly PastMessage[]; omitted: number } {
  let left = room
  let from = past.length
  while (from > 0) {
    left -= messageTokens(past.slice(from - 1, from))
    if (left < 0) break
    from--
  }
  while (past[from]?.role === 'tool') from++
  return { history: past.slice(from), omitted: from }
}

export function estimateTokens(text: string): number {
  return Math.ceil(text.length / CHARACTERS_PER_TOKEN)
}

/** Tokens the prompt needs without any history. */
export function fixedTokens(prompt: CompiledPrompt): number {
  const texts = [prompt.system, JSON.stringify(prompt.input), JSON.stringify(prompt.tools)]
  return texts.reduce((sum, text) => sum + estimateTokens(text) + TOKENS_PER_MESSAGE, 0)
}
