import { problemFaults, type RawResponse, send } from './raw-request.js'

/** An answer with its JSON read; `faults` is what is wrong with it as a problem document. */
export interface Answer<T = Record<string, unknown>> {
  readonly status: number
  readonly headers: RawResponse['headers']
  readonly body: T
  /** The body as it came. */
  readonly text: string
  faults(): string[]
}

/** Sends JSON over a socket of its own and reads JSON: no client stands in between. */
export type Rest = <T = Record<string, unknown>>(
  method: string,
  path: string,
  body?: unknown,
  headers?: Readonly<Record<string, string>>,
) => Promise<Answer<T>>

export function restOf(port: number): Rest {
  return async <T>(method: string, path: string, body?: unknown, headers = {}) => {
    const json = body === undefined ? {} : { body: JSON.stringify(body) }
    return answerOf<T>(await send(port, { method, path, headers, ...json }))
  }
}

export function answerOf<T>(raw: RawResponse): Answer<T> {
  return {
    status: raw.status,
    headers: raw.headers,
    body: (raw.body === '' ? undefined : JSON.parse(raw.body)) as T,
    text: raw.body,
    faults: () => problemFaults(raw),
  }
}

/** A block as the wire has it, as far as the specs look at it. */
export interface WireBlock {
  readonly id: string
  readonly label: string
  readonly value: string
  readonly version: number
}

/** Makes a block; the rest of its body as given. */
export async function makeBlock(rest: Rest, fields: object = {}): Promise<WireBlock> {
  const body = { label: 'notes', value: '', ...fields }
  const { status, body: block, text } = await rest<WireBlock>('POST', '/v1/blocks/', body)
  if (status !== 200) throw new Error(text)
  return block
}

/** Makes an agent with every memory tool, attached to the blocks. */
export async function makeAgent(
  rest: Rest,
  blockIds: readonly string[] = [],
  fields: object = {},
): Promise<{ readonly id: string }> {
  const { status, body, text } = await rest<{ id: string }>('POST', '/v1/agents/', {
    name: 'agent1',
    model: 'openai/gpt-4o-mini',
    block_ids: blockIds,
    tools: ['memory_rethink', 'core_memory_append', 'core_memory_replace'],
    ...fields,
  })
  if (status !== 200) throw new Error(text)
  return body
}
