import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { makeAgent } from './support/rest.js'
import { ScriptedSearchServer } from './support/search-server.js'
import { openTurnStage, type TurnStage } from './support/turn-stage.js'

let stage: TurnStage
let search: ScriptedSearchServer

beforeAll(async () => {
  search = await ScriptedSearchServer.start()
  stage = await openTurnStage({
    env: { EXA_BASE_URL: search.url, EXA_API_KEY: 'none' },
  })
})

afterAll(async () => {
  await stage.close()
  await search.close()
  expect(stage.product.logged).toEqual([])
})

beforeEach(() => stage.model.reset())

const insert = (new_string: string, id?: string) => ({
  name: 'memory_insert',
  arguments: { label: 'notes', new_string },
  ...(id === undefined ? {} : { id }),
})

/** What an answer says of its run. */
const outcome = (answer: { body: Record<string, unknown> }) =>
  answer.body as { messages: { run_id: string }[]; stop_reason: { stop_reason: string } }
const runOf = (answer: { body: Record<string, unknown>; headers: object }): string =>
  String((answer.headers as Record<string, unknown>)['x-run-id'] ?? answer.body.run_id)

describe('tool calls of one step', () => {
  it('each return and its edit is a commit of its own, and the next request has them all', async () => {
    const block = await stage.block('a')
    const agent = await stage.agent([block], ['web_search'])
    search.script([{ results: [{ url: 'https://example.org/', title: 'T' }] }])
    const calls = [insert('b', 'i'), { id: 's', name: 'web_search', arguments: { query: 'q' } }]
    stage.model.script([{ toolCalls: calls }, { text: 'done' }])
    const runId = runOf(await stage.send(agent, 'go'))
    stage.model.assertConsumed()
    const events = await stage.events(runId)
    expect(events.map((event) => event.type)).toEqual([
      'TurnQueued',
      'TurnStarted',
      'ModelRequested',
      'ModelResponded',
      'ToolCalled',
      'ToolCalled',
      'ToolReturned',
      'ToolReturned',
      'ModelRequested',
      'ModelResponded',
      'TurnCompleted',
    ])
    const returns = events.filter((event) => event.type === 'ToolReturned')
    const commits = new Map(returns.map((e) => [e.payload.tool_call_id, e.command_id]))
    expect(commits).toEqual(
      new Map([
        ['i', `${runId}/1/0`],
        ['s', `${runId}/1/1`],
      ]),
    )
    const [edit, ...more] = await stage.events(block.id, /^TextInserted$/)
    expect(edit?.command_id).toBe(`${runId}/1/0`)
    expect(more).toEqual([])
    expect(stage.model.requests[1]?.messages.slice(2)).toMatchObject([
      { role: 'assistant', tool_calls: [{ id: 'i' }, { id: 's' }] },
      { role: 'tool', tool_call_id: 'i', content: expect.stringMatching(/^applied memory_insert/) },
      { role: 'tool', tool_call_id: 's', content: expect.stringContaining('https://example.org/') },
    ])
  })

  it('have ids of their own, whatever the provider repeats or leaves out', async () => {
    const block = await stage.block('a')
    const agent = await stage.agent([block])
    const without = {
      name: 'memory_insert',
      arguments: { label: 'notes', new_string: '0' },
      id: null,
    }
    stage.model.script([
      { toolCalls: [without, insert('1', ''), insert('2', 'same'), insert('3', 'same')] },
      { toolCalls: [insert('4', 'same')] },
      { text: 'done' },
    ])
    const runId = runOf(await stage.send(agent, 'go'))
    stage.model.assertConsumed()
    const called = await stage.events(runId, /^ToolCalled$/)
    const ids = called.map((event) => event.payload.tool_call_id as string)
    expect(new Set(ids).size).toBe(5)
    expect(ids.every((id) => id.length > 0 && id.length <= 40)).toBe(true)
    const returns = stage.model.requests[2]?.messages.filter((message) => message.role === 'tool')
    expect(returns?.map((message) => message.tool_call_id)).toEqual(ids)
    const value = await stage.rest('GET', `/v1/blocks/${block.id}`)
    expect(value.body).toMatchObject({ value: 'a\n0\n1\n2\n3\n4' })
  })
})

describe('what a tool returns', () => {
  it('is cut at 50,000 characters, and the model is told so', async () => {
    const agent = await stage.agent([], ['web_search'])
    const results = Array.from({ length: 20 }, (_, i) => ({
      url: `https://example.org/${i}`,
      text: '\u{1f642}'.repeat(4_000),
    }))
    search.script([{ results }])
    const call = { name: 'web_search', arguments: { query: 'q', include_text: true } }
    stage.model.script([{ toolCalls: [call] }, { text: 'done' }])
    await stage.send(agent, 'go')
    const told = stage.model.requests[1]?.messages.at(-1)?.content as string
    expect(told).toMatch(/\n\[cut: \d{5,} characters, of which 50000 are shown\]$/)
    expect([...told].length).toBeLessThan(50_100)
    expect(told).not.toMatch(/[\ud800-\udbff](?![\udc00-\udfff])/)
  })

  it.each([
    ['memgpt_v2_agent', 'tool_rule', 1],
    ['letta_v1_agent', 'end_turn', 2],
  ])('of send_message: a %s ends its turn by %s', async (agent_type, reason, requests) => {
    const { id } = await makeAgent(stage.rest, [], { agent_type, tools: ['send_message'] })
    stage.model.routeBy((request) =>
      request.messages.at(-1)?.role === 'tool'
        ? { text: 'done' }
        : { toolCalls: [{ name: 'send_message', arguments: { message: 'hello' } }] },
    )
    const answer = await stage.send(id, 'go')
    expect(outcome(answer).stop_reason.stop_reason).toBe(reason)
    expect(stage.model.requests).toHaveLength(requests)
  })
})

describe('a call that makes no sense', () => {
  const custom = 'def lookup(city: str) -> str:\n    """Looks a city up."""\n    return city\n'

  it.each([
    ['arguments that are no JSON', 'memory_insert', '{"label": "no', 'invalid_argument'],
    ['arguments that do not fit', 'memory_insert', '{"label": 7}', 'invalid_argument'],
    ['a tool nobody has', 'launch_rocket', '{}', 'tool_not_found'],
    ['a block nobody has', 'memory_insert', '{"label":"zz","new_string":"x"}', 'block_not_found'],
    ['a tool that cannot run here', 'lookup', '{"city":"Oslo"}', 'tool_not_runnable'],
  ])('%s: the model is told, and the turn goes on', async (_case, name, args, code) => {
    const block = await stage.block('a')
    const made = await stage.rest('PUT', '/v1/tools/', { source_code: custom })
    expect(made.status).toBe(200)
    const agent = await stage.agent([block], ['lookup'])
    stage.model.script([{ toolCalls: [{ name, arguments: args }] }, { text: 'sorry' }])
    const answer = await stage.send(agent, 'go')
    expect(outcome(answer).stop_reason.stop_reason).toBe('end_turn')
    stage.model.assertConsumed()
    const [returned] = await stage.events(runOf(answer), /^ToolReturned$/)
    expect(returned?.payload).toMatchObject({ status: 'error', code })
    const [call, told] = stage.model.requests[1]?.messages.slice(-2) ?? []
    expect(told?.content).toBe(returned?.payload.result)
    expect(() => JSON.parse(call?.tool_calls?.[0]?.function.arguments as string)).not.toThrow()
    expect(await stage.events(block.id, /^Text/)).toEqual([])
  })
})

describe('calls without end', () => {
  it('stop at max_steps, and the turn completes', async () => {
    const agent = await stage.agent()
    stage.model.routeBy(() => ({
      toolCalls: [{ name: 'conversation_search', arguments: { query: 'x' } }],
    }))
    const answer = await stage.send(agent, 'go', { max_steps: 3 })
    expect(outcome(answer).stop_reason.stop_reason).toBe('max_steps')
    expect(stage.model.requests).toHaveLength(3)
    expect(await stage.run(runOf(answer))).toMatchObject({ status: 'completed' })
  })
})

describe('the tools that keep blocks', () => {
  const memory = (args: object) => ({ name: 'memory', arguments: args })

  it('make, fill, rename and put aside a block in one turn; the block and its history stay', async () => {
    const agent = await stage.agent([await stage.block('a')], ['memory'])
    stage.model.script([
      {
        toolCalls: [
          memory({ command: 'create', path: '/memories/todo', description: 'Open tasks' }),
        ],
      },
      { toolCalls: [memory({ command: 'insert', path: '/memories/todo', insert_text: 'milk' })] },
      { toolCalls: [memory({ command: 'rename', old_path: 'todo', new_path: 'shopping' })] },
      { toolCalls: [memory({ command: 'delete', path: '/memories/shopping' })] },
      { text: 'done' },
    ])
    const runId = runOf(await stage.send(agent, 'go'))
    stage.model.assertConsumed()
    const returns = await stage.events(runId, /^ToolReturned$/)
    expect(returns.map(({ payload }) => payload.result)).toEqual([
      'applied memory block=todo version=2: created with 0 characters and attached to you.',
      'applied memory block=todo version=3: 1 line added at the end (line 1).',
      'applied memory block=shopping version=4: renamed from todo to shopping, for every agent that has it.',
      'applied memory block=shopping version=5: detached from you; the block, its text and its history stay.',
    ])
    const { block_id } = returns[0]?.payload.block ?? {}
    const events = await stage.events(block_id)
    expect(events.map(({ type, command_id }) => [type, command_id])).toEqual([
      ['BlockCreated', `${runId}/1/0`],
      ['AgentAttached', `${runId}/1/0`],
      ['TextInserted', `${runId}/2/0`],
      ['BlockConfigured', `${runId}/3/0`],
      ['AgentDetached', `${runId}/4/0`],
    ])
    const { body } = await stage.rest('GET', `/v1/blocks/${block_id}`)
    expect(body).toMatchObject({ label: 'shopping', value: 'milk', description: 'Open tasks' })
    const held = await stage.rest<{ label: string }[]>(
      'GET',
      `/v1/agents/${agent}/core-memory/blocks`,
    )
    expect(held.body.map(({ label }) => label)).toEqual(['notes'])
  })

  it('change two blocks or none: a patch that fails in the second leaves the first untouched', async () => {
    const first = await stage.block('one')
    const agent = await stage.agent([first], ['memory', 'memory_apply_patch'])
    const patch = (last: string) =>
      `*** Update Block: notes\n-one\n+ONE\n*** Update Block: second\n-${last}\n+TWO`
    const patching = (last: string) => ({
      toolCalls: [
        { name: 'memory_apply_patch', arguments: { label: 'notes', patch: patch(last) } },
      ],
    })
    const create = { command: 'create', path: 'second', description: 'd', file_text: 'two' }
    stage.model.script([
      { toolCalls: [memory(create)] },
      patching('three'),
      patching('two'),
      { text: 'done' },
    ])
    const runId = runOf(await stage.send(agent, 'go'))
    stage.model.assertConsumed()
    const [made, refused, applied] = await stage.events(runId, /^ToolReturned$/)
    expect(refused?.payload).toMatchObject({ status: 'error', code: 'replace_no_match' })
    expect(refused?.payload.result).toContain('Nothing was changed, in any block.')
    const second = made?.payload.block.block_id
    expect(applied?.payload.blocks).toEqual([
      { block_id: first.id, version: 3, changed: true },
      { block_id: second, version: 3, changed: true },
    ])
    const edits = [
      ...(await stage.events(first.id, /^Text/)),
      ...(await stage.events(second, /^Text/)),
    ]
    expect(edits.map(({ command_id }) => command_id)).toEqual([`${runId}/3/0`, `${runId}/3/0`])
  })

  it.each([
    ['create', { command: 'create', path: 'new', description: 'd' }],
    ['rename', { command: 'rename', old_path: 'notes', new_path: 'journal' }],
    ['delete', { command: 'delete', path: 'notes' }],
  ])('%s outside a turn is done once, and a retry is told the same', async (_command, args) => {
    const block = await stage.block('a')
    const agent = await stage.agent([block], ['memory'])
    const path = `/v1/agents/${agent}/tools/memory/run`
    const key = { 'idempotency-key': `once-${agent}` }
    const once = await stage.rest('POST', path, { args }, key)
    expect(once.body).toMatchObject({ status: 'success' })
    const events = (await stage.events(agent)).length
    const again = await stage.rest('POST', path, { args }, key)
    expect(again.body).toEqual(once.body)
    expect(again.headers).toMatchObject({ 'idempotent-replayed': 'true' })
    expect(await stage.events(agent)).toHaveLength(events)
  })
})

it.each([
  [
    'memgpt_agent',
    [
      'send_message',
      'conversation_search',
      'core_memory_append',
      'core_memory_replace',
      'memory',
      'memory_apply_patch',
    ],
  ],
  ['letta_v1_agent', ['conversation_search', 'memory_insert', 'memory_replace']],
])('a new %s has the memory tools of its type', async (agent_type, names) => {
  const { id } = await makeAgent(stage.rest, [], { agent_type, tools: [] })
  const { body } = await stage.rest<{ name: string }[]>('GET', `/v1/agents/${id}/tools`)
  expect(body.map(({ name }) => name).sort()).toEqual([...names].sort())
})

describe('an edit that is refused in a turn', () => {
  it('stands in the turn, and among the rejections of the block with the call it was', async () => {
    const block = await stage.block('a')
    const agent = await stage.agent([block])
    const replace = { label: 'notes', old_string: 'absent', new_string: 'b' }
    stage.model.script([
      { toolCalls: [{ name: 'memory_replace', arguments: replace }] },
      { text: 'done' },
    ])
    const runId = runOf(await stage.send(agent, 'go'))
    const path = `/v1/blocks/${block.id}/rejections`
    const { body } = await stage.rest<{ data: object[] }>('GET', path)
    expect(body.data).toEqual([
      expect.objectContaining({
        command_id: `${runId}/1/0`,
        code: 'replace_no_match',
        at_version: 2,
        actor: expect.objectContaining({ kind: 'agent', id: agent }),
      }),
    ])
    const [returned] = await stage.events(runId, /^ToolReturned$/)
    expect(returned?.payload).toMatchObject({ status: 'error', code: 'replace_no_match' })
    const after = (await stage.rest<{ next_cursor: null }>('GET', `${path}?limit=1`)).body
    expect(after.next_cursor).toBeNull()
  })
})
