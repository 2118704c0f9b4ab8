import { describe, expect, it } from '@jest/globals'
import type { StepState } from '#domain/turn.js'
import { estimateTokens, fitHistory, modelMessages, type PastMessage } from './context.js'

const bare = { system: 'S', summary: null, history: [], input: [], tools: [] }
const NO_RESULT = 'No result: the turn ended before this tool returned.'

let count = 0
const past = (role: PastMessage['role'], content: object): PastMessage => {
  count += 1
  return { message_id: `message-${count}`, role, content: content as PastMessage['content'] }
}
const said = (text: string) => past('user', { content: text })
const call = (id: string) => ({ tool_call_id: id, name: 'f', arguments: '{}' })
const calling = (...ids: string[]) =>
  past('assistant', { content: null, reasoning: null, tool_calls: ids.map(call) })
const result = (id: string, text = `result of ${id}`) =>
  past('tool', { tool_call_id: id, name: 'f', status: 'success', result: text })
const wireCall = (id: string) => ({ id, name: 'f', arguments: '{}' })
const answer = (id: string, content = `result of ${id}`) => ({
  role: 'tool',
  tool_call_id: id,
  content,
})

const messagesOf = (history: readonly PastMessage[]) =>
  modelMessages({ ...bare, history }, []).slice(1)

describe('what the model is sent', () => {
  it('is the prompt, earlier turns, the input and the finished steps, in this order', () => {
    const step = {
      step: 1,
      reply: {
        content: 'let me see',
        reasoning: 'hm',
        tool_calls: [],
        finish_reason: 'tool_calls',
      },
      calls: [{ ...call('a'), index: 0, returned: { result: 'found' } }],
    } as unknown as StepState
    const input = [
      { role: 'user', content: 'now', name: null, otid: null, sender_id: null } as const,
    ]
    expect(modelMessages({ ...bare, history: [said('before')], input }, [step])).toEqual([
      { role: 'system', content: 'S' },
      { role: 'user', content: 'before' },
      { role: 'user', content: 'now' },
      { role: 'assistant', content: 'let me see', tool_calls: [wireCall('a')] },
      answer('a', 'found'),
    ])
  })

  it('keeps the role of every input, and joins the texts of parts', () => {
    const parts = [
      { type: 'text', text: 'one' },
      { type: 'text', text: 'two' },
    ]
    expect(
      messagesOf([
        past('system', { content: 'heed this' }),
        past('assistant', { content: 'I said so' }),
        past('user', { content: parts }),
      ]),
    ).toEqual([
      { role: 'system', content: 'heed this' },
      { role: 'assistant', content: 'I said so' },
      { role: 'user', content: 'one\ntwo' },
    ])
  })

  it('answers every call right after it and in the order of the calls, however they returned', () => {
    expect(messagesOf([calling('a', 'b'), result('b'), result('a'), said('thanks')])).toEqual([
      { role: 'assistant', content: null, tool_calls: [wireCall('a'), wireCall('b')] },
      answer('a'),
      answer('b'),
      { role: 'user', content: 'thanks' },
    ])
  })

  it('answers a call whose turn ended before it returned', () => {
    expect(messagesOf([calling('a', 'b'), result('b'), said('go on')])).toEqual([
      { role: 'assistant', content: null, tool_calls: [wireCall('a'), wireCall('b')] },
      answer('a', NO_RESULT),
      answer('b'),
      { role: 'user', content: 'go on' },
    ])
  })

  it('takes no return of a later turn for one of an earlier turn, though the ids repeat', () => {
    const history = [calling('a'), said('failed'), calling('a'), result('a', 'second')]
    expect(messagesOf(history)).toEqual([
      { role: 'assistant', content: null, tool_calls: [wireCall('a')] },
      answer('a', NO_RESULT),
      { role: 'user', content: 'failed' },
      { role: 'assistant', content: null, tool_calls: [wireCall('a')] },
      answer('a', 'second'),
    ])
  })
})

describe('the window of the history', () => {
  const cost = (message: PastMessage): number => estimateTokens(JSON.stringify(message.content)) + 8
  const sum = (messages: readonly PastMessage[]): number =>
    messages.reduce((tokens, message) => tokens + cost(message), 0)

  it('holds the newest messages that fit, and says how many do not', () => {
    const all = Array.from({ length: 10 }, (_, i) => said(`message number ${i}`))
    const room = sum(all.slice(6))
    expect(fitHistory(all, room)).toEqual({ history: all.slice(6), omitted: 6 })
    expect(fitHistory(all, room - 1)).toEqual({ history: all.slice(7), omitted: 7 })
    expect(fitHistory(all, sum(all))).toEqual({ history: all, omitted: 0 })
  })

  it('is empty where there is no room', () => {
    expect(fitHistory([said('a')], 0)).toEqual({ history: [], omitted: 1 })
    expect(fitHistory([said('a')], -5)).toEqual({ history: [], omitted: 1 })
  })

  it('never begins with a return whose call was left out', () => {
    const all = [said('a'), calling('x', 'y'), result('x'), result('y'), said('b')]
    for (let room = 0; room <= sum(all); room++) {
      const { history, omitted } = fitHistory(all, room)
      expect(history[0]?.role).not.toBe('tool')
      expect(history.length + omitted).toBe(all.length)
    }
    expect(fitHistory(all, sum(all.slice(2)))).toEqual({ history: all.slice(4), omitted: 4 })
  })
})
