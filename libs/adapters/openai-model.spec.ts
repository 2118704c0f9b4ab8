import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import type { ModelRequest } from '#turns/ports.js'
import { type ModelStep, ScriptedModelServer } from '../../test/support/model-server.js'
import { contextWindow, modelName } from './model-names.js'
import { OpenAIModel } from './openai-model.js'

const NEVER = new AbortController().signal
const INSERT = {
  name: 'memory_insert',
  description: 'Insert text.',
  parameters: { type: 'object', properties: { label: { type: 'string' } } },
}

let server: ScriptedModelServer
let model: OpenAIModel

beforeAll(async () => {
  server = await ScriptedModelServer.start()
  model = modelOver('chat')
})

function modelOver(wire: 'chat' | 'responses') {
  const options = { apiKey: null, provider: 'openai', simulated: false }
  return new OpenAIModel({ ...options, wire, baseUrl: server.url })
}

afterEach(() => {
  try {
    server.assertConsumed()
  } finally {
    server.reset()
  }
})

afterAll(() => server.close())

function asking(change: Partial<ModelRequest> = {}): ModelRequest {
  return {
    model: 'openai/gpt-4o-mini',
    messages: [{ role: 'user', content: 'hello' }],
    tools: [INSERT],
    ...change,
  }
}

function answered(step: ModelStep, change?: Partial<ModelRequest>) {
  server.script([step])
  return model.respond(asking(change), NEVER)
}

describe('what is sent', () => {
  it('names the model, the tools and the messages as the wire has them', async () => {
    await answered(
      { text: 'ok' },
      {
        messages: [
          { role: 'system', content: 'be brief' },
          { role: 'user', content: 'hi', name: 'Ann <b>' },
          {
            role: 'assistant',
            content: null,
            tool_calls: [
              { id: 'c1', name: 'memory_insert', arguments: '{"label":"a"}' },
              { id: 'c2', name: 'memory_insert', arguments: '{"label":' },
            ],
          },
          { role: 'tool', tool_call_id: 'c1', content: 'done' },
        ],
        maxOutputTokens: 7,
        parallelToolCalls: false,
      },
    )
    const call = (id: string, text: string) => ({
      id,
      type: 'function',
      function: { name: 'memory_insert', arguments: text },
    })
    expect(server.requests[0]?.headers['authorization']).toBe('Bearer none')
    expect(server.requests[0]?.body).toEqual({
      model: 'gpt-4o-mini',
      messages: [
        { role: 'system', content: 'be brief' },
        { role: 'user', content: 'hi', name: 'Ann__b_' },
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            call('c1', '{"label":"a"}'),
            call('c2', '{"malformed_arguments":"{\\"label\\":"}'),
          ],
        },
        { role: 'tool', tool_call_id: 'c1', content: 'done' },
      ],
      tools: [{ type: 'function', function: INSERT }],
      max_tokens: 7,
      parallel_tool_calls: false,
    })
  })

  it('leaves out an empty list of tools, which OpenAI refuses', async () => {
    await answered({ text: 'ok' }, { tools: [], parallelToolCalls: true })
    expect(Object.keys(server.requests[0]?.body ?? {})).toEqual(['model', 'messages'])
  })

  it('takes what follows the first slash as the name of the model', () => {
    expect(modelName('ollama/qwen3')).toBe('qwen3')
    expect(modelName('local/Qwen/Qwen3-8B')).toBe('Qwen/Qwen3-8B')
    expect(modelName('gpt-4o')).toBe('gpt-4o')
  })
})

describe('what is sent over the Responses API', () => {
  it('is the whole conversation as items, and nothing is kept there', async () => {
    const messages: ModelRequest['messages'] = [
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'hi', name: 'Ann' },
      {
        role: 'assistant',
        content: 'let me see',
        tool_calls: [{ id: 'c1', name: 'memory_insert', arguments: '{"label":' }],
      },
      { role: 'tool', tool_call_id: 'c1', content: 'done' },
      { role: 'assistant', content: null },
    ]
    server.script([{ text: 'ok' }])
    const asked = asking({ messages, maxOutputTokens: 7, temperature: 0, parallelToolCalls: false })
    await modelOver('responses').respond(asked, NEVER)
    expect(server.requests[0]?.wire).toBe('responses')
    expect(server.requests[0]?.body).toEqual({
      model: 'gpt-4o-mini',
      input: [
        { role: 'system', content: 'be brief' },
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: 'let me see' },
        {
          type: 'function_call',
          call_id: 'c1',
          name: 'memory_insert',
          arguments: '{"malformed_arguments":"{\\"label\\":"}',
        },
        { type: 'function_call_output', call_id: 'c1', output: 'done' },
        { role: 'assistant', content: '' },
      ],
      store: false,
      tools: [{ type: 'function', ...INSERT, strict: false }],
      parallel_tool_calls: false,
      // OpenAI takes no lower bound than this.
      max_output_tokens: 16,
      temperature: 0,
    })
  })
})

describe.each(['chat', 'responses'] as const)('an answer over %s', (wire) => {
  beforeAll(() => {
    model = modelOver(wire)
  })

  it('carries text, reasoning, usage and the id of the provider', async () => {
    const usage = {
      prompt_tokens: 20,
      completion_tokens: 8,
      total_tokens: 28,
      prompt_tokens_details: { cached_tokens: 16 },
      completion_tokens_details: { reasoning_tokens: 3 },
    }
    const response = await answered({ text: 'hi', reasoning: 'because', usage, id: 'resp-9' })
    expect(response).toEqual({
      content: 'hi',
      reasoning: 'because',
      toolCalls: [],
      finishReason: 'stop',
      usage: {
        prompt_tokens: 20,
        completion_tokens: 8,
        total_tokens: 28,
        cached_input_tokens: 16,
        reasoning_tokens: 3,
      },
      providerResponseId: 'resp-9',
      simulated: false,
      repaired: false,
    })
  })

  it('keeps parallel tool calls in their order', async () => {
    const { toolCalls, finishReason, content } = await answered({
      toolCalls: [
        { id: 'a', name: 'web_search', arguments: { query: 'x' } },
        { id: 'b', name: 'memory_insert', arguments: { label: 'y' } },
      ],
    })
    expect(toolCalls).toEqual([
      { id: 'a', name: 'web_search', arguments: '{"query":"x"}' },
      { id: 'b', name: 'memory_insert', arguments: '{"label":"y"}' },
    ])
    expect({ content, finishReason }).toEqual({ content: null, finishReason: 'tool_calls' })
  })

  it('has a different id for each call, although the provider omits or repeats them', async () => {
    const ids = ['', null, 'same', 'same', 'same_2', 'x'.repeat(40), 'x'.repeat(40)]
    const { toolCalls } = await answered({
      toolCalls: ids.map((id) => ({ id, name: 'f', arguments: {} })),
    })
    const given = toolCalls.map(({ id }) => id)
    expect(new Set(given).size).toBe(ids.length)
    expect(given.every((id) => id.length > 0 && id.length <= 40)).toBe(true)
    expect(given[2]).toBe('same')
  })

  it('passes malformed arguments through as the text they are', async () => {
    const { toolCalls } = await answered({ toolCalls: [{ name: 'f', arguments: '{"a": "b' }] })
    expect(toolCalls[0]?.arguments).toBe('{"a": "b')
  })

  it('says tool_calls when the server says stop, and keeps a length limit', async () => {
    const toolCalls = [{ name: 'f', arguments: {} }]
    const stop = await answered({ toolCalls, finishReason: 'stop' })
    const length = await answered({ toolCalls, finishReason: 'length' })
    expect([stop.finishReason, length.finishReason]).toEqual(['tool_calls', 'length'])
  })

  it('has an estimated usage when the server sends none', async () => {
    const { usage } = await answered({ text: '12345678', usage: null })
    expect(usage).toMatchObject({ completion_tokens: 2, estimated: true })
    expect(usage.prompt_tokens).toBeGreaterThan(10)
    expect(usage.total_tokens).toBe(usage.prompt_tokens + 2)
  })

  it('holds no NUL and no lone surrogate, and says that some were removed', async () => {
    const { content, reasoning, toolCalls, repaired } = await answered({
      text: 'a\0b\ud800c 😀',
      reasoning: '\udc00r',
      toolCalls: [{ name: 'f\0', arguments: '{"t":"x\\u0000y\\ud83dz \\\\u0000 \\ud83d\\ude00"}' }],
    })
    expect({ content, reasoning, repaired }).toEqual({
      content: 'abc 😀',
      reasoning: 'r',
      repaired: true,
    })
    expect(toolCalls[0]?.name).toBe('f')
    expect(JSON.parse(toolCalls[0]?.arguments ?? '')).toEqual({ t: 'xyz \\u0000 😀' })
  })

  it('is read although the server calls it plain text', async () => {
    const chat = { choices: [{ message: { content: 'hi' }, finish_reason: 'stop' }] }
    const said = { type: 'message', content: [{ type: 'output_text', text: 'hi' }] }
    const raw = JSON.stringify(wire === 'chat' ? chat : { output: [said] })
    expect((await answered({ raw, contentType: 'text/plain' })).content).toBe('hi')
  })
})

describe('the list of models', () => {
  it('has handles and context windows', async () => {
    expect(await model.list(NEVER)).toEqual([
      described('gpt-4o-mini', 128_000),
      described('gpt-4.1', 1_047_576),
    ])
    expect(contextWindow('qwen3')).toBe(128_000)
  })
})

function described(name: string, window: number) {
  const handle = `openai/${name}`
  return { handle, provider: 'openai', name, contextWindow: window, simulated: false }
}
