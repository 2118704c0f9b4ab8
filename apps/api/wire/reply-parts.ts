import type { ModelReply, ToolCall } from '#domain/turn-events.js'
import type { MessageView } from './message-wire.js'

/** A reply as it is stored, or the beginning of one. */
export type Reply = Pick<ModelReply, 'content' | 'reasoning' | 'tool_calls'> & {
  /** Calls that wait, or have waited, for an answer, by id. */
  readonly asks?: readonly string[] | undefined
}

/** An item of Letta's message union without what all items of a message share. */
export type Item = Readonly<Record<string, unknown>> & { readonly message_type: string }

/** The end of a piece, in units of its reply. */
export interface Piece {
  readonly end: number
  readonly item: Item
}

/**
 * A part of a reply: one item when it is sent whole. Sent by and by, it is counted in UTF-16 units of its
 * text, with one more for each call; the same on every node.
 */
interface Part {
  readonly length: number
  readonly item: Item
  /** Null: it is sent whole or not at all. */
  readonly rest: ((from: number) => Piece[]) | null
}

/** The items of a whole reply: reasoning, text, calls, and what is said by calling a tool. */
export function replyItems(reply: Reply, view: MessageView): Item[] {
  return parts(reply, view).map((part) => part.item)
}

/** What is left of a committed reply for a reader who has the first `from` units of it. */
export function* restOf(reply: Reply, from: number, view: MessageView): Generator<Piece> {
  let start = 0
  for (const { length, item, rest } of parts(reply, view)) {
    const end = start + length
    if (from <= start || (from < end && !rest)) yield { end, item }
    else if (from < end && rest) yield* shifted(rest(from - start), start)
    start = end
  }
}

/** What there is of a reply that is still written, behind its first `from` units. */
export function* draftAfter(draft: Reply, from: number, view: MessageView): Generator<Piece> {
  const speech = draft.tool_calls.findIndex((call) => isSpeech(call.name, view))
  const tool_calls = speech < 0 ? draft.tool_calls : draft.tool_calls.slice(0, speech)
  const isEmpty = !draft.content && !draft.reasoning && tool_calls.length === 0
  let start = 0
  for (const { length, rest } of isEmpty ? [] : parts({ ...draft, tool_calls }, view)) {
    if (rest && from < start + length) yield* shifted(rest(Math.max(0, from - start)), start)
    start += length
  }
}

export function isSpeech(toolName: string, view: MessageView): boolean {
  return view.use_assistant_message && toolName === view.assistant_message_tool_name
}

function parts({ content, reasoning, tool_calls, asks = [] }: Reply, view: MessageView): Part[] {
  const asked = tool_calls.filter((call) => asks.includes(call.tool_call_id))
  const made = tool_calls.filter((call) => !asks.includes(call.tool_call_id))
  const spoken = made.map((call) => spokenText(call, view))
  const calls = made.filter((_, i) => spoken[i] === null)
  const texts = spoken.filter((text) => text !== null)
  // A reply with nothing in it is still said, so that a run always has its answer.
  const isSilent = !reasoning && !content && tool_calls.length === 0
  return [
    ...(reasoning ? [textPart(reasoning, reasoningItem)] : []),
    ...(content ? [textPart(content, assistantItem)] : []),
    ...(calls.length > 0
      ? [asked.length > 0 ? wholePart(calls, tool_calls) : callsPart(calls)]
      : []),
    ...(isSilent ? [''] : texts).map((text): Part => {
      return { length: text.length + 1, item: assistantItem(text), rest: null }
    }),
    ...(asked.length > 0 ? [wholePart(asked, tool_calls, 'approval_request_message')] : []),
  ]
}

function textPart(text: string, itemOf: (text: string) => Item): Part {
  const { length } = text
  return {
    length,
    item: itemOf(text),
    rest: (from) => [{ end: length, item: itemOf(text.slice(from)) }],
  }
}

function reasoningItem(reasoning: string): Item {
  return {
    message_type: 'reasoning_message',
    source: 'reasoner_model',
    reasoning,
    signature: null,
  }
}

function assistantItem(content: string): Item {
  return { message_type: 'assistant_message', content }
}

function callsPart(calls: readonly ToolCall[]): Part {
  return {
    length: lengthOf(calls),
    item: callsItem(calls, 'tool_call_message'),
    rest: (from) => callPieces(calls, from),
  }
}

/**
 * Whether a call needs an answer is known when the reply is committed: whoever has heard pieces of the calls
 * by then is told them once more as what they are.
 */
function wholePart(
  calls: readonly ToolCall[],
  all: readonly ToolCall[],
  type = 'tool_call_message',
): Part {
  return { length: lengthOf(all) + 1, item: callsItem(calls, type), rest: null }
}

function lengthOf(calls: readonly ToolCall[]): number {
  return calls.reduce((sum, call) => sum + 1 + call.arguments.length, 0)
}

function callsItem(calls: readonly ToolCall[], message_type: string): Item {
  const tool_calls = calls.map((call) => ({
    name: call.name,
    arguments: call.arguments,
    tool_call_id: call.tool_call_id,
  }))
  return { message_type, tool_call: tool_calls[0], tool_calls }
}

/** Each call on its own: the name with the first piece of its arguments, then arguments only. */
function callPieces(calls: readonly ToolCall[], from: number): Piece[] {
  let start = 0
  return calls.flatMap(({ name, arguments: args, tool_call_id }) => {
    const had = from - start
    const end = start + 1 + args.length
    start = end
    if (from >= end) return []
    const delta =
      had <= 0
        ? { name, arguments: args, tool_call_id }
        : { arguments: args.slice(had - 1), tool_call_id }
    return [
      { end, item: { message_type: 'tool_call_message', tool_call: delta, tool_calls: delta } },
    ]
  })
}

/** Older agent types speak by calling a tool: its argument is what the user is to read. */
function spokenText(call: ToolCall, view: MessageView): string | null {
  if (!isSpeech(call.name, view)) return null
  try {
    const text = JSON.parse(call.arguments)?.[view.assistant_message_tool_kwarg]
    return typeof text === 'string' ? text : null
  } catch {
    return null
  }
}

function shifted(pieces: readonly Piece[], by: number): Piece[] {
  return pieces.map(({ end, item }) => ({ end: end + by, item }))
}
