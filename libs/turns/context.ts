import type { StepState } from '#domain/turn.js'
import type { InputMessage } from '#domain/turn-events.js'
import type { MessageContent } from '#postgres/tables.js'
import type { ModelMessage, ModelTool } from './ports.js'

/** A stored message of an earlier turn. */
export interface PastMessage {
  readonly message_id: string
  readonly role: 'system' | 'user' | 'assistant' | 'tool'
  readonly content: MessageContent
}

/** Rough tokens of a text: four characters each. Only the window is cut by it; usage is the provider's. */
const CHARACTERS_PER_TOKEN = 4
const TOKENS_PER_MESSAGE = 8
const NO_RESULT = 'No result: the turn ended before this tool returned.'

/** What a turn's prompt is made of; compiled once, later steps only append to it. */
export interface CompiledPrompt {
  readonly system: string
  readonly history: readonly PastMessage[]
  readonly input: readonly InputMessage[]
  readonly tools: readonly ModelTool[]
}

/** The messages of a model request: the prompt, then the turn's finished steps. */
export function modelMessages(prompt: CompiledPrompt, steps: readonly StepState[]): ModelMessage[] {
  return [
    { role: 'system', content: prompt.system },
    ...pastMessages(prompt.history),
    ...prompt.input.map(inputMessage),
    ...steps.flatMap(stepMessages),
  ]
}

function stepMessages(step: StepState): ModelMessage[] {
  if (!step.reply) return []
  const calls = step.calls.map(({ tool_call_id: id, name, arguments: args }) => ({
    id,
    name,
    arguments: args,
  }))
  return [
    {
      role: 'assistant',
      content: step.reply.content,
      ...(calls.length > 0 ? { tool_calls: calls } : {}),
    },
    ...step.calls.map(
      (call): ModelMessage => ({
        role: 'tool',
        tool_call_id: call.tool_call_id,
        content: call.returned?.result ?? NO_RESULT,
      }),
    ),
  ]
}

/** A call whose turn ended before it returned still needs an answer: providers refuse it otherwise. */
function pastMessages(history: readonly PastMessage[]): ModelMessage[] {
  const answered = new Set(
    history.flatMap((message) =>
      'tool_call_id' in message.content ? [message.content.tool_call_id] : [],
    ),
  )
  return history.flatMap((message): ModelMessage[] => {
    const { content } = message
    if ('tool_call_id' in content) {
      return [{ role: 'tool', tool_call_id: content.tool_call_id, content: content.result }]
    }
    if ('tool_calls' in content) {
      const calls = content.tool_calls.map(({ tool_call_id: id, name, arguments: args }) => ({
        id,
        name,
        arguments: args,
      }))
      const missing = calls.filter((call) => !answered.has(call.id))
      return [
        {
          role: 'assistant',
          content: content.content,
          ...(calls.length > 0 ? { tool_calls: calls } : {}),
        },
        ...missing.map(
          ({ id }): ModelMessage => ({ role: 'tool', tool_call_id: id, content: NO_RESULT }),
        ),
      ]
    }
    return [
      inputMessage({
        role: message.role === 'tool' ? 'user' : message.role,
        content: content.content,
      }),
    ]
  })
}

function inputMessage({ role, content }: Pick<InputMessage, 'role' | 'content'>): ModelMessage {
  const text =
    typeof content === 'string'
      ? content
      : content.map((part) => (typeof part.text === 'string' ? part.text : '')).join('\n')
  return role === 'assistant' ? { role, content: text } : { role, content: text }
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
    left -= estimateTokens(JSON.stringify(past[from - 1]?.content)) + TOKENS_PER_MESSAGE
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
