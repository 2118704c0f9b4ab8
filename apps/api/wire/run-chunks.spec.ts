import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { draft } from '#domain/draft.js'
import { initialTurn, type TurnState } from '#domain/turn.js'
import type { TurnEvent } from '#domain/turn-events.js'
import { recordReply } from '#domain/turn-steps.js'
import type { StreamEvent } from '#event-store/unit.js'
import type { ModelDelta } from '#turns/ports.js'
import { RunLog } from '#turns/run-log.js'
import { by, queued, RUN, retry, start, USAGE } from '../../../test/support/turn-commands.js'
import { chunksAfter } from './run-chunks.js'
import { RUN_BEGIN, type RunCursor } from './run-cursor.js'

interface Reply {
  readonly reasoning: string | null
  readonly content: string | null
  readonly tool_calls: readonly { tool_call_id: string; name: string; arguments: string }[]
}
type Chunk = Readonly<Record<string, unknown>>

const text = fc.string({ maxLength: 12 })
const call = fc.record({
  name: fc.constantFrom('memory_insert', 'send_message'),
  arguments: fc.oneof(
    text,
    text.map((message) => JSON.stringify({ message })),
  ),
})
const reply: fc.Arbitrary<Reply> = fc
  .record({
    reasoning: fc.option(text),
    content: fc.option(text),
    calls: fc.array(call, { maxLength: 3 }),
  })
  .map(({ reasoning, content, calls }) => ({
    reasoning,
    content,
    tool_calls: calls.map((made, i) => ({ tool_call_id: `call_${i}`, ...made })),
  }))

/** What is heard of a reply while it is written, in pieces of one letter: nothing behind a call without arguments. */
function letters({ reasoning, content, tool_calls }: Reply): ModelDelta[] {
  const empty = tool_calls.findIndex((made) => made.arguments === '')
  return [
    ...[...(reasoning ?? '')].map((letter) => ({ part: 'reasoning' as const, text: letter })),
    ...[...(content ?? '')].map((letter) => ({ part: 'content' as const, text: letter })),
    ...tool_calls
      .slice(0, empty < 0 ? tool_calls.length : empty)
      .flatMap(({ tool_call_id: id, name, arguments: args }, index) =>
        [...args].map((letter) => ({ part: 'call' as const, index, id, name, text: letter })),
      ),
  ]
}

/** A turn, and how many letters of the answer under way have been heard: as the nodes learn of it. */
class Story {
  readonly #events: StreamEvent[] = []
  #state: TurnState = initialTurn(RUN)
  #ask = { step: 1, attempt: 1, letters: [] as ModelDelta[] }

  constructor() {
    const begun = queued({ stream_tokens: true })
    this.#take([
      {
        type: 'TurnQueued',
        payload: { agent_id: 'agent-1', input: begun.input, options: begun.options } as never,
      },
    ])
    this.#take(start(1)(this.#state))
  }

  #take(events: readonly TurnEvent[]): void {
    for (const event of events) {
      const version = this.#state.version + 1
      this.#state = draft(this.#state, [event], by)
      const recorded = { version, recordedAt: by.now, actor: by.actor, commandId: 'c' }
      const place = { tenantId: 'default', streamId: RUN, correlation: null, baseVersion: null }
      this.#events.push({ ...event, ...recorded, ...place } as StreamEvent)
    }
  }

  writes(answer: Reply): void {
    this.#ask = { ...this.#ask, letters: letters(answer) }
  }

  fails(): void {
    this.#take(retry(1, this.#ask.attempt)(this.#state))
    this.#ask = { step: 1, attempt: this.#ask.attempt + 1, letters: [] }
  }

  ends(answer: Reply): void {
    const response = { ...answer, finish_reason: 'stop' }
    const payload = { step: 1, response, usage: USAGE, latency_ms: 1, provider_response_id: null }
    this.#take(recordReply(this.#state, payload, new Set()))
  }

  /** A node that has heard so many letters, each in a batch of its own. */
  node(heard: number): RunLog {
    const log = new RunLog(RUN)
    for (const event of this.#events) log.learn(event)
    const { step, attempt } = this.#ask
    for (const [i, letter] of this.#ask.letters.slice(0, heard).entries()) {
      log.hear(step, attempt, i, [letter])
    }
    return log
  }
}

/** What a reader makes of chunks: pieces of one otid belong together. */
function assembled(chunks: readonly Chunk[]) {
  const said = { reasoning: '', content: '', calls: {} as Record<string, string> }
  for (const { reasoning, content, tool_call, tool_calls } of chunks) {
    said.reasoning += reasoning ?? ''
    said.content += content ?? ''
    for (const made of Array.isArray(tool_calls) ? tool_calls : tool_call ? [tool_call] : []) {
      const { tool_call_id: id, name = '', arguments: args } = made as Record<string, string>
      said.calls[id as string] = `${said.calls[id as string] ?? ''}${name && `${name}:`}${args}`
    }
  }
  return said
}

const whole = (story: Story) => [...chunksAfter(story.node(0), RUN_BEGIN, false)].map((c) => c.data)

describe('a reader of chunks', () => {
  it('cut anywhere, on nodes that have heard more or less, has the answer once and nothing twice', () => {
    const cut = fc.record({ heard: fc.nat(40), takes: fc.integer({ min: 1, max: 3 }) })
    fc.assert(
      fc.property(
        fc.array(fc.record({ answer: reply, cuts: fc.array(cut, { maxLength: 4 }) }), {
          minLength: 1,
          maxLength: 3,
        }),
        fc.array(cut, { maxLength: 6 }),
        (attempts, after) => {
          const story = new Story()
          let at: RunCursor = RUN_BEGIN
          const seen: Chunk[] = []
          const read = ({ heard, takes }: { heard: number; takes: number }): void => {
            for (const { cursor, data } of chunksAfter(story.node(heard), at, false)) {
              seen.push(data)
              at = cursor
              if (--takes === 0) break
            }
          }
          for (const [i, { answer, cuts }] of attempts.entries()) {
            if (i > 0) story.fails()
            story.writes(answer)
            for (const each of cuts) read(each)
          }
          const { answer } = attempts.at(-1) as { answer: Reply }
          story.ends(answer)
          for (const each of after) read(each)
          read({ heard: 0, takes: 1_000 })
          const seqs = seen.map((chunk) => Number(chunk.seq_id))
          expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b))
          const expected = whole(story).filter((chunk) => chunk.otid)
          const last = seen.filter((chunk) => chunk.otid === expected[0]?.otid)
          expect(assembled(last)).toEqual(assembled(expected))
          const end = whole(story).filter((chunk) => !chunk.otid)
          expect(end.length > 0 ? seen.slice(-end.length) : []).toEqual(end)
        },
      ),
      { numRuns: 200 },
    )
  })

  it('of a run without tokens is told the same whatever it has read before', () => {
    const story = new Story()
    story.ends({ reasoning: 'why', content: 'what', tool_calls: [] })
    const chunks = [...chunksAfter(story.node(0), RUN_BEGIN, false)]
    for (const [i, { cursor }] of chunks.entries()) {
      expect([...chunksAfter(story.node(0), cursor, false)]).toEqual(chunks.slice(i + 1))
    }
  })
})
