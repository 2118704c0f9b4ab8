import { describe, expect, it } from '@jest/globals'
import { agent as actor, now, user } from '../../test/support/block-commands.js'
import {
  type AgentCommand,
  type AgentEvent,
  type AgentState,
  createAgent,
  decideAgent,
  evolveAgent,
  initialAgent,
} from './agent.js'
import { draft } from './draft.js'

const by = { actor: user, now }
const blank = initialAgent('agent-1')
const said = { name: 'ada', system: 'be kind', model: 'openai/m' }
const BLANK = {
  agent_type: 'letta_v1_agent',
  description: null,
  tags: [],
  metadata: null,
  timezone: 'UTC',
  hidden: null,
  project_id: null,
  context_window_limit: 128_000,
  message_buffer_autoclear: false,
  memory_updates: true,
  max_tokens_per_day: null,
  model_settings: {},
  tool_rules: [],
  embedding: null,
  response_format: null,
  enable_sleeptime: null,
}

function events(state: AgentState, command: AgentCommand): AgentEvent[] {
  const decided = decideAgent(state, command)
  if (!decided.ok) throw new Error(decided.rejection.code)
  return decided.value
}
const done = (state: AgentState, command: AgentCommand) => draft(state, events(state, command), by)
const born = (tools: readonly { id: string; name: string }[] = []): AgentState => {
  const decided = createAgent(blank, said, tools)
  if (!decided.ok) throw new Error(decided.rejection.code)
  return draft(blank, decided.value, by)
}
const gone = draft(born(), [{ type: 'AgentDeleted', payload: {} }], by)

describe('a new agent', () => {
  it('has what its creator says, the defaults, and each tool once', () => {
    const tools = [
      { id: 'tool-1', name: 'one' },
      { id: 'tool-2', name: 'two' },
      { id: 'tool-1', name: 'one' },
    ]
    expect(createAgent(blank, said, tools)).toEqual({
      ok: true,
      value: [
        { type: 'AgentCreated', payload: { ...BLANK, ...said } },
        { type: 'ToolAttached', payload: { tool_id: 'tool-1', name: 'one' } },
        { type: 'ToolAttached', payload: { tool_id: 'tool-2', name: 'two' } },
      ],
    })
    expect(born(tools)).toEqual({
      id: 'agent-1',
      version: 3,
      deleted: false,
      triggers: [],
      resetThrough: null,
      settings: { ...BLANK, ...said },
      blocks: [],
      tools: tools.slice(0, 2),
      schedules: [],
      createdAt: now,
      createdBy: user,
    })
  })

  it('is nothing before', () => {
    expect(blank).toEqual({
      id: 'agent-1',
      version: 0,
      deleted: false,
      triggers: [],
      resetThrough: null,
      settings: { ...BLANK, name: '', system: '', model: '' },
      blocks: [],
      tools: [],
      schedules: [],
      createdAt: '',
      createdBy: null,
    })
  })

  it('is created once', () => {
    expect(createAgent(born(), said, [])).toEqual({
      ok: false,
      rejection: {
        code: 'already_exists',
        detail: 'Agent agent-1 already exists',
        facts: { agent_id: 'agent-1' },
      },
    })
  })
})

describe('an agent that is not there', () => {
  it.each<AgentCommand>([
    { type: 'ConfigureAgent', settings: { name: 'b' } },
    { type: 'AttachTool', tool: { id: 'tool-1', name: 'one' } },
    { type: 'DetachTool', toolId: 'tool-1' },
  ])('is not changed by $type', (command) => {
    expect(decideAgent(blank, command)).toEqual({
      ok: false,
      rejection: {
        code: 'agent_not_found',
        detail: 'Agent not found',
        facts: { agent_id: 'agent-1' },
      },
    })
    expect(decideAgent(gone, command)).toEqual({
      ok: false,
      rejection: {
        code: 'gone',
        detail: 'Agent agent-1 was deleted',
        facts: { agent_id: 'agent-1' },
      },
    })
  })
})

describe('configuring an agent', () => {
  it('is one event with each field as it was and as it is', () => {
    const settings = {
      name: 'bob',
      tags: ['x'],
      metadata: { a: 1 },
      system: said.system,
      hidden: undefined as never,
    }
    expect(events(born(), { type: 'ConfigureAgent', settings })).toEqual([
      {
        type: 'AgentConfigured',
        payload: {
          name: { from: 'ada', to: 'bob' },
          tags: { from: [], to: ['x'] },
          metadata: { from: null, to: { a: 1 } },
        },
      },
    ])
    const { hidden: _, ...rest } = settings
    expect(done(born(), { type: 'ConfigureAgent', settings })).toEqual({
      ...born(),
      version: 2,
      settings: { ...BLANK, ...said, ...rest },
    })
  })

  it('as it is makes no event', () => {
    for (const settings of [{}, said, { tags: [], hidden: null }]) {
      expect(events(born(), { type: 'ConfigureAgent', settings })).toEqual([])
    }
  })
})

describe("an agent's tools", () => {
  const one = { id: 'tool-1', name: 'one' }
  const two = { id: 'tool-2', name: 'two' }

  it('come in their order, each once', () => {
    const has = done(done(born(), { type: 'AttachTool', tool: one }), {
      type: 'AttachTool',
      tool: two,
    })
    expect(has.tools).toEqual([one, two])
    expect(events(has, { type: 'AttachTool', tool: { ...one, name: 'another name' } })).toEqual([])
    expect(events(born(), { type: 'AttachTool', tool: one })).toEqual([
      { type: 'ToolAttached', payload: { tool_id: 'tool-1', name: 'one' } },
    ])
  })

  it('go, and only those that are there', () => {
    const has = born([one, two])
    expect(events(has, { type: 'DetachTool', toolId: 'tool-1' })).toEqual([
      { type: 'ToolDetached', payload: { tool_id: 'tool-1', name: 'one' } },
    ])
    expect(done(has, { type: 'DetachTool', toolId: 'tool-1' }).tools).toEqual([two])
    expect(events(has, { type: 'DetachTool', toolId: 'tool-9' })).toEqual([])
  })

  it('are at most 200', () => {
    const many = (count: number) =>
      born(Array.from({ length: count }, (_, i) => ({ id: `tool-${i}`, name: `t${i}` })))
    const more: AgentCommand = { type: 'AttachTool', tool: { id: 'tool-new', name: 'new' } }
    expect(done(many(199), more).tools).toHaveLength(200)
    expect(decideAgent(many(200), more)).toEqual({
      ok: false,
      rejection: {
        code: 'invalid_argument',
        detail: 'An agent has at most 200 tools',
        facts: { agent_id: 'agent-1' },
      },
    })
    expect(events(many(200), { type: 'AttachTool', tool: { id: 'tool-7', name: 't7' } })).toEqual(
      [],
    )
  })
})

describe("an agent's fold", () => {
  const attached = draft(
    born(),
    ['a', 'b'].map(
      (label, i): AgentEvent => ({
        type: 'BlockAttached',
        payload: { block_id: `block-${i}`, label, right: 'insert' },
      }),
    ),
    by,
  )

  it('keeps its blocks in the order in which they came, and changes only the one that is named', () => {
    const [a, b] = attached.blocks
    expect(attached.blocks).toEqual([
      { id: 'block-0', label: 'a', right: 'insert', place: 2, attachedAt: now },
      { id: 'block-1', label: 'b', right: 'insert', place: 3, attachedAt: now },
    ])
    const relabelled: AgentEvent = {
      type: 'BlockRelabelled',
      payload: { block_id: 'block-0', label: 'c' },
    }
    expect(draft(attached, [relabelled], by).blocks).toEqual([{ ...a, label: 'c' }, b])
    const right: AgentEvent = {
      type: 'BlockRightChanged',
      payload: { block_id: 'block-1', right: 'read' },
    }
    expect(draft(attached, [right], by).blocks).toEqual([a, { ...b, right: 'read' }])
    const detached: AgentEvent = { type: 'BlockDetached', payload: { block_id: 'block-0' } }
    expect(draft(attached, [detached], by)).toEqual({ ...attached, version: 4, blocks: [b] })
  })

  it('reads an attachment from before there were rights as one to edit', () => {
    const old = {
      type: 'BlockAttached',
      payload: { block_id: 'block-9', label: 'old' },
    } as unknown as AgentEvent
    expect(draft(attached, [old], by).blocks.at(-1)).toMatchObject({ id: 'block-9', right: 'edit' })
  })

  it('remembers who made it and when, whatever others do later', () => {
    const at = { version: 9, correlation: null, recordedAt: 'later', actor: actor(1) }
    const changed = evolveAgent(attached, { type: 'AgentConfigured', payload: {}, ...at })
    expect(changed).toEqual({ ...attached, version: 9 })
    const deleted = evolveAgent(
      { ...attached, tools: [{ id: 't', name: 't' }] },
      { type: 'AgentDeleted', payload: {}, ...at },
    )
    expect(deleted).toEqual({ ...attached, version: 9, deleted: true, blocks: [], tools: [] })
  })
})
