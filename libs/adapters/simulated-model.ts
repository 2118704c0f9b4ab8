import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import {
  type LoopbackRequest,
  type LoopbackServer,
  sendJson,
  startLoopbackServer,
} from './loopback-server.js'
import { tokens } from './model-reply.js'
import { type SimulatedReply, simulatedReply } from './simulated-agent.js'
import { type ChatMessage, readConversation } from './simulated-conversation.js'
import { type Completion, completionChunks, delay, sendChunks } from './simulated-stream.js'
import { simulatedSummary } from './simulated-summary.js'

/** Names of models with their owners; those of `sim` answer with a fault, for tests of agents. */
const MODELS: readonly (readonly [string, string])[] = [
  ['gpt-4o-mini', 'openai'],
  ['gpt-4o', 'openai'],
  ['gpt-4.1', 'openai'],
  ['default', 'sim'],
  ['slow?ms=1000', 'sim'],
  ['rate-limited', 'sim'],
  ['malformed-tool', 'sim'],
  ['loop', 'sim'],
]

interface ChatBody {
  readonly model: string
  readonly stream?: unknown
  readonly stream_options?: { readonly include_usage?: unknown } | null
  readonly messages: readonly ChatMessage[]
  readonly tools?: readonly { readonly function?: { readonly name?: unknown } }[]
}

/**
 * An OpenAI-compatible server on loopback that answers by rules instead of a model: the same request
 * gets the same answer, ids included. `url` ends in `/v1`. Unknown model names answer like `default`, so
 * that programs written for other models run. Streamed, an answer is the same in pieces.
 */
export async function startSimulatedModel(): Promise<LoopbackServer> {
  const server = await startLoopbackServer(async (request, response) => {
    const route = `${request.method} ${request.path}`
    if (route === 'GET /v1/models') return sendJson(response, 200, models())
    if (route === 'POST /v1/chat/completions') return complete(request, response)
    refuse(response, 404, 'unknown_url', `Unknown request URL: ${route}`)
  })
  return { url: `${server.url}/v1`, close: server.close }
}

async function complete(request: LoopbackRequest, response: ServerResponse): Promise<void> {
  const body = readBody(request.body)
  if (!body) return refuse(response, 400, 'invalid_request', 'model and messages are required')
  const [fault, query] = body.model.replace(/^sim\//, '').split('?')
  if (fault === 'rate-limited') {
    const again = { 'retry-after': '1' }
    return refuse(response, 429, 'rate_limit_exceeded', 'Rate limit reached (simulated)', again)
  }
  const slowMs = fault === 'slow' ? Number(new URLSearchParams(query).get('ms') ?? 1_000) : 0
  if (slowMs && !body.stream) await delay(slowMs, request.signal)
  const tools = (body.tools ?? []).map((tool) => String(tool.function?.name ?? ''))
  const conversation = readConversation(body.messages, tools)
  const summary = simulatedSummary(body.messages)
  const usual = summary === null ? simulatedReply(conversation) : { content: summary, call: null }
  const looped = fault === 'loop' && tools[0] !== undefined
  const reply = looped ? looping(usual, tools[0] as string) : usual
  const malformed = fault === 'malformed-tool' && conversation.calls.length === 0
  const answer = completion(request.body, body, reply, malformed)
  if (!body.stream) return sendJson(response, 200, answer)
  const withUsage = body.stream_options?.include_usage === true
  await sendChunks(response, completionChunks(answer, withUsage), slowMs, request.signal)
}

/** Calls a tool for ever: what it would say at the end it asks a tool again. */
function looping(usual: SimulatedReply, tool: string): SimulatedReply {
  if (usual.call && usual.call.name !== 'send_message') return usual
  return { content: null, call: { name: tool, arguments: { query: 'simulated loop' } } }
}

function completion(
  requestText: string,
  body: ChatBody,
  reply: SimulatedReply,
  malformed: boolean,
): Completion {
  const hash = createHash('sha256').update(requestText).digest('hex')
  const call = reply.call
  const whole = call ? JSON.stringify(call.arguments) : ''
  const args = malformed ? whole.slice(0, -2) : whole
  const prompt = tokens(requestText)
  const written = tokens((reply.content ?? '') + args)
  return {
    id: `chatcmpl-sim-${hash.slice(0, 24)}`,
    object: 'chat.completion',
    created: 0,
    model: body.model,
    simulated: true,
    choices: [
      {
        index: 0,
        finish_reason: call ? 'tool_calls' : 'stop',
        logprobs: null,
        message: {
          role: 'assistant',
          content: reply.content,
          refusal: null,
          ...(call && {
            tool_calls: [
              {
                id: `call_${hash.slice(24, 48)}`,
                type: 'function',
                function: { name: call.name, arguments: args },
              },
            ],
          }),
        },
      },
    ],
    usage: { prompt_tokens: prompt, completion_tokens: written, total_tokens: prompt + written },
  }
}

function models(): object {
  return {
    object: 'list',
    data: MODELS.map(([id, owner]) => ({ id, object: 'model', created: 0, owned_by: owner })),
  }
}

function readBody(text: string): ChatBody | null {
  try {
    const body = JSON.parse(text) as Partial<ChatBody> | null
    if (typeof body?.model !== 'string' || !Array.isArray(body.messages)) return null
    return { ...body, tools: Array.isArray(body.tools) ? body.tools : [] } as ChatBody
  } catch {
    return null
  }
}

function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const type = status === 429 ? 'requests' : 'invalid_request_error'
  sendJson(response, status, { error: { message, type, code, param: null } }, headers)
}
