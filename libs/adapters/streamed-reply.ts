import type { ModelDelta } from '#turns/ports.js'
import { argumentsText, contentText, object, string, UnreadableReply } from './model-reply.js'
import { storable, storableJson } from './storable-text.js'

/** The longest thing that mending looks at together: an escaped surrogate pair. */
const ESCAPE_LENGTH_MAX = 12
const HALF_ESCAPE_LENGTH = 6
const HALF_ESCAPED = /\\u[dD][89abAB][0-9a-fA-F]{2}$/

interface Call {
  id: string
  name: string
  arguments: string
}

/**
 * A chat completion that comes in chunks: put together again as it would have come whole, and told on
 * while it comes. Servers differ in what they leave out, as for whole answers.
 */
export class StreamedReply {
  readonly #calls: Call[] = []
  /** Calls in the order they came, by the index their server gives them. */
  readonly #places = new Map<number, Call>()
  readonly #relay: Relay
  #id: unknown = null
  #content = ''
  #reasoning = ''
  #refusal = ''
  #finishReason: unknown = null
  #usage: unknown = null
  #begun = false

  constructor(onDelta: (delta: ModelDelta) => void) {
    this.#relay = new Relay(onDelta)
  }

  /** Whether the model has said that it is done. */
  get finished(): boolean {
    return this.#finishReason !== null
  }

  take(chunk: Readonly<Record<string, unknown>>): void {
    this.#id ??= chunk['id'] ?? null
    this.#usage = chunk['usage'] ?? this.#usage
    const choice = object(Array.isArray(chunk['choices']) ? chunk['choices'][0] : null)
    if (!choice) return
    this.#begun = true
    this.#finishReason = choice['finish_reason'] ?? this.#finishReason
    // Some servers end with the whole message in place of a delta; what has come is that already.
    const delta = object(choice['delta'])
    if (!delta) return
    this.#takeText(delta)
    for (const piece of Array.isArray(delta['tool_calls']) ? delta['tool_calls'] : []) {
      this.#takeCall(object(piece) ?? {})
    }
  }

  /** As the server would have sent it in one piece. */
  completion(): object {
    if (!this.#begun) throw new UnreadableReply('the stream holds no message')
    const message = {
      role: 'assistant',
      content: this.#content || null,
      reasoning_content: this.#reasoning || null,
      refusal: this.#refusal || null,
      tool_calls: this.#calls.map(({ id, name, arguments: args }) => ({
        id,
        type: 'function',
        function: { name, arguments: args },
      })),
    }
    const choices = [{ index: 0, finish_reason: this.#finishReason, message }]
    return { id: this.#id, choices, usage: this.#usage }
  }

  #takeText(delta: Readonly<Record<string, unknown>>): void {
    const reasoning = string(delta['reasoning_content']) ?? string(delta['reasoning']) ?? ''
    const content = contentText(delta['content']) ?? ''
    this.#reasoning += reasoning
    this.#content += content
    this.#refusal += string(delta['refusal']) ?? ''
    this.#relay.text('reasoning', reasoning)
    this.#relay.text('content', content)
  }

  #takeCall(piece: Readonly<Record<string, unknown>>): void {
    const call = this.#callOf(piece)
    const made = object(piece['function'])
    const name = string(made?.['name']) ?? ''
    const text = argumentsText(made?.['arguments'])
    call.id ||= string(piece['id']) ?? ''
    // Some servers say the name again with every piece.
    if (call.arguments === '' && name !== call.name) call.name += name
    call.arguments += text
    const index = this.#calls.indexOf(call)
    const taken = this.#calls.some((other, i) => i < index && other.id === call.id)
    this.#relay.call(index, call, taken, text)
  }

  /** Some servers leave the index out: then a new id begins a new call. */
  #callOf(piece: Readonly<Record<string, unknown>>): Call {
    const last = this.#calls.at(-1)
    const { index, id } = piece
    const known = typeof index === 'number' ? this.#places.get(index) : last
    const isNew = !known || (typeof index !== 'number' && string(id) && id !== known.id)
    if (!isNew) return known
    const call = { id: '', name: '', arguments: '' }
    if (typeof index === 'number') this.#places.set(index, call)
    this.#calls.push(call)
    return call
  }
}

/**
 * Tells on what will stand in the answer exactly so. Where that is not certain yet, because text may
 * have to be mended, an id be given or an earlier part goes on, it falls silent for the rest.
 */
class Relay {
  #silent = false
  #rank = -1
  #held = ''
  #tell: (text: string) => void = () => {}
  #mend: (text: string) => string = storable

  constructor(private readonly onDelta: (delta: ModelDelta) => void) {}

  text(part: 'reasoning' | 'content', text: string): void {
    if (text === '') return
    const rank = part === 'reasoning' ? 0 : 1
    this.#enter(rank, storable, (said) => this.onDelta({ part, text: said }))
    this.#say(text)
  }

  call(index: number, { id, name }: Call, idIsTaken: boolean, text: string): void {
    if (text === '') return
    this.#silent ||= id === '' || idIsTaken || name === '' || storable(id + name) !== id + name
    this.#enter(2 + index, storableJson, (said) =>
      this.onDelta({ part: 'call', index, id, name, text: said }),
    )
    this.#say(text)
  }

  #enter(rank: number, mend: (text: string) => string, tell: (text: string) => void): void {
    if (rank === this.#rank) return
    // The part before is complete, so what was held back of it is too.
    if (this.#held !== '') this.#pass(this.#held)
    this.#silent ||= rank < this.#rank || (rank > 2 && this.#rank < rank - 1)
    this.#held = ''
    this.#rank = rank
    this.#mend = mend
    this.#tell = tell
  }

  #say(text: string): void {
    this.#held += text
    const end = certainLength(this.#held, this.#mend === storableJson)
    const certain = this.#held.slice(0, end)
    this.#held = this.#held.slice(end)
    if (certain !== '') this.#pass(certain)
  }

  #pass(text: string): void {
    this.#silent ||= this.#mend(text) !== text
    if (!this.#silent) this.#tell(text)
  }
}

/** Up to where more text cannot change how the text is mended. */
function certainLength(text: string, isJson: boolean): number {
  const last = text.charCodeAt(text.length - 1)
  const whole = last >= 0xd800 && last <= 0xdbff ? text.length - 1 : text.length
  if (!isJson) return whole
  const start = text.indexOf('\\', Math.max(0, text.length - ESCAPE_LENGTH_MAX))
  if (start < 0) return whole
  const before = text.slice(0, start)
  // The backslash found may be the second of two, or the escape behind it the second half of a pair.
  if (/(?<!\\)(?:\\\\)*\\$/.test(before)) return Math.min(whole, start - 1)
  return Math.min(whole, HALF_ESCAPED.test(before) ? start - HALF_ESCAPE_LENGTH : start)
}

/**
 * Reads a stream of server-sent chunks to its end.
 *
 * @throws UnreadableReply when it ends before the answer does; what the body throws
 */
export async function readChunks(
  body: ReadableStream<Uint8Array>,
  take: (chunk: Readonly<Record<string, unknown>>) => void,
  isFinished: () => boolean,
): Promise<void> {
  for await (const line of lines(body)) {
    if (!line.startsWith('data:')) continue
    const data = line.slice('data:'.length).trim()
    if (data === '[DONE]') return
    const chunk = object(parsed(data))
    if (chunk) take(chunk)
  }
  if (!isFinished()) throw new UnreadableReply('the stream broke off in the middle of the answer')
}

async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const bytes of body) {
    text += decoder.decode(bytes, { stream: true })
    const whole = text.split(/\r\n|\n|\r(?!$)/)
    text = whole.pop() ?? ''
    yield* whole
  }
  if (text !== '') yield text
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new UnreadableReply('a chunk of the stream is not JSON')
  }
}
