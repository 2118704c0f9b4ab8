import type OpenAI from 'openai'
import type { ModelMessage, ModelRequest } from '#turns/ports.js'
import { sentArguments } from './call-arguments.js'
import { object, parsed } from './model-reply.js'

/** OpenAI refuses a lower bound; an answer may be that much longer than was asked for. */
const OUTPUT_TOKENS_MIN = 16
const STATUS_BY_CODE: Readonly<Record<string, number>> = {
  rate_limit_exceeded: 429,
  server_error: 500,
}

type Json = Readonly<Record<string, unknown>>

/** A request as OpenAI's Responses API takes it. Nothing is kept there: every request is whole. */
export function responsesBody(
  model: string,
  request: ModelRequest,
): OpenAI.Responses.ResponseCreateParamsNonStreaming {
  const { tools, maxOutputTokens, temperature, parallelToolCalls } = request
  return {
    model,
    input: request.messages.flatMap(items),
    store: false,
    ...(tools.length > 0 && {
      tools: tools.map(({ name, description, parameters }) => ({
        type: 'function' as const,
        name,
        description,
        parameters: { ...parameters },
        strict: false,
      })),
      ...(parallelToolCalls !== undefined && { parallel_tool_calls: parallelToolCalls }),
    }),
    ...(maxOutputTokens !== undefined && {
      max_output_tokens: Math.max(OUTPUT_TOKENS_MIN, maxOutputTokens),
    }),
    ...(temperature !== undefined && { temperature }),
  }
}

/** This wire has no names of speakers. Calls and returns are items of their own beside the messages. */
function items(message: ModelMessage): OpenAI.Responses.ResponseInputItem[] {
  if (message.role === 'tool') {
    const { tool_call_id: call_id, content: output } = message
    return [{ type: 'function_call_output', call_id, output }]
  }
  const { role, content } = message
  if (role !== 'assistant') return [{ role, content }]
  const calls = (message.tool_calls ?? []).map(({ id: call_id, name, arguments: args }) => ({
    type: 'function_call' as const,
    call_id,
    name,
    arguments: sentArguments(args),
  }))
  return content === null && calls.length > 0 ? calls : [{ role, content: content ?? '' }, ...calls]
}

/** The answer in the shape of a chat completion, so that one reader mends both. */
export function asCompletion(text: string): object {
  const body = object(parsed(text))
  const error = object(body?.['error'])
  if (error) return { error: { ...error, code: statusOf(error['code']) } }
  if (!Array.isArray(body?.['output'])) return {}
  const output = body['output'].map((item) => object(item) ?? {})
  const parts = output.flatMap((item) => (item['type'] === 'message' ? list(item['content']) : []))
  const thoughts = output.filter((item) => item['type'] === 'reasoning')
  const reasoning = thoughts.flatMap((item) => [...list(item['summary']), ...list(item['content'])])
  const calls = output.filter((item) => item['type'] === 'function_call')
  const message = {
    content: texts(parts, 'text', ''),
    refusal: texts(parts, 'refusal', ''),
    reasoning_content: texts(reasoning, 'text', '\n\n'),
    tool_calls: calls.map(({ call_id: id, name, arguments: args }) => {
      return { id, function: { name, arguments: args } }
    }),
  }
  const { id } = body
  const choices = [{ message, finish_reason: finishReason(body) }]
  return { id, choices, usage: usage(object(body['usage'])) }
}

function finishReason(body: Json): string | null {
  if (body['status'] !== 'incomplete') return null
  const reason = object(body['incomplete_details'])?.['reason']
  return reason === 'content_filter' ? 'content_filter' : 'length'
}

function usage(sent: Json | null): object | null {
  return (
    sent && {
      prompt_tokens: sent['input_tokens'],
      completion_tokens: sent['output_tokens'],
      total_tokens: sent['total_tokens'],
      prompt_tokens_details: sent['input_tokens_details'],
      completion_tokens_details: sent['output_tokens_details'],
    }
  )
}

/** A word in place of a status comes with a 200. What is not known was wrong with the request. */
function statusOf(code: unknown): number {
  if (typeof code === 'number') return code
  return STATUS_BY_CODE[String(code)] ?? 400
}

function texts(parts: readonly Json[], key: string, between: string): string | null {
  const found = parts.map((part) => part[key]).filter((text) => typeof text === 'string')
  return found.length > 0 ? found.join(between) : null
}

function list(value: unknown): Json[] {
  return Array.isArray(value) ? value.map((one) => object(one) ?? {}) : []
}
