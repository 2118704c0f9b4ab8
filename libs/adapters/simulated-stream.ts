import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** A chat completion, as far as its pieces are made of it. */
export interface Completion {
  readonly id: string
  readonly object: string
  readonly created: number
  readonly model: string
  readonly simulated?: true
  readonly choices: readonly {
    readonly index: number
    readonly finish_reason: string
    readonly logprobs?: null
    readonly message: {
      readonly role: string
      readonly refusal?: string | null
      readonly content: string | null
      readonly reasoning_content?: string | null
      readonly tool_calls?: readonly {
        readonly id?: string
        readonly type: string
        readonly function: { readonly name: string; readonly arguments: string }
      }[]
    }
  }[]
  readonly usage?: object | null
}

const DELAY_MS_MAX = 600_000
const ARGUMENTS_PIECE = 16

/** The same completion as the chunks of a stream: words, and pieces of arguments. */
export function completionChunks(completion: Completion, withUsage: boolean): object[] {
  const { id, model, choices, usage } = completion
  const [choice] = choices
  const message = choice?.message
  const chunk = (delta: object, finish_reason: string | null = null): object => ({
    id,
    object: 'chat.completion.chunk',
    created: 0,
    model,
    choices: [{ index: 0, delta, finish_reason }],
  })
  const chunks = [
    chunk({ role: 'assistant', content: '' }),
    ...words(message?.reasoning_content).map((word) => chunk({ reasoning_content: word })),
    ...words(message?.content).map((content) => chunk({ content })),
  ]
  for (const [index, { function: made, ...call }] of (message?.tool_calls ?? []).entries()) {
    const head = { index, ...call, function: { name: made.name, arguments: '' } }
    chunks.push(chunk({ tool_calls: [head] }))
    for (const piece of made.arguments.match(PIECES) ?? []) {
      chunks.push(chunk({ tool_calls: [{ index, function: { arguments: piece } }] }))
    }
  }
  chunks.push(chunk({}, choice?.finish_reason ?? 'stop'))
  if (withUsage && usage) {
    chunks.push({ id, object: 'chat.completion.chunk', created: 0, model, choices: [], usage })
  }
  return chunks
}

const PIECES = new RegExp(`[^]{1,${ARGUMENTS_PIECE}}`, 'gu')

function words(text: string | null | undefined): string[] {
  return text?.match(/\s*\S+\s*$|\s*\S+|\s+/g) ?? []
}

/**
 * Sends chunks as server-sent events, then `[DONE]`.
 *
 * @param totalMs what all of it takes.
 */
export async function sendChunks(
  response: ServerResponse,
  chunks: readonly object[],
  totalMs: number,
  signal: AbortSignal,
): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  for (const chunk of chunks) {
    if (totalMs > 0) await delay(totalMs / chunks.length, signal)
    if (signal.aborted) return
    response.write(`data: ${JSON.stringify(chunk)}\n\n`)
  }
  response.end('data: [DONE]\n\n')
}

/** Ends early when the client goes away. */
export async function delay(ms: number, signal: AbortSignal): Promise<void> {
  const wait = Number.isFinite(ms) ? Math.min(DELAY_MS_MAX, Math.max(0, ms)) : 0
  await sleep(wait, undefined, { signal }).catch(() => {})
}
