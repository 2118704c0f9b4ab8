import { describe, expect, it } from '@jest/globals'
import {
  agent,
  attached,
  created,
  edited,
  insert,
  now,
  saw,
  user,
} from '../../test/support/block-commands.js'
import { by, grown, queued, RUN, reply, start } from '../../test/support/turn-commands.js'
import { createAgent, initialAgent } from './agent.js'
import type { BlockEvent } from './block-events.js'
import { type BlockState, initialBlock } from './block-state.js'
import { draft } from './draft.js'
import type { Foldable } from './event.js'
import {
  type AnyEvent,
  evolve,
  evolveAll,
  initialState,
  isKnownType,
  restoreState,
  storedState,
} from './streams.js'
import { initialTurn } from './turn.js'

const born = createAgent(initialAgent('agent-1'), { name: 'a', system: 's', model: 'm' }, [])
const agentEvents = born.ok ? born.value : []
const agentState = draft(initialAgent('agent-1'), agentEvents, { actor: user, now })
const turn = grown(queued(), start(1), reply(1, ['a', 'x']))
const block = attached(edited(created('a'), insert('b')), 1)

const foldable = (events: readonly { type: string; payload: object }[], first = 1) =>
  events.map((event, i) => ({
    ...event,
    version: first + i,
    actor: user,
    correlation: null,
    recordedAt: now,
  })) as unknown as Foldable<AnyEvent>[]

describe('a stream', () => {
  it('begins with the state of its kind', () => {
    expect(initialState('block-1')).toEqual(initialBlock('block-1'))
    expect(initialState('agent-1')).toEqual(initialAgent('agent-1'))
    expect(initialState(RUN)).toEqual(initialTurn(RUN))
  })

  it('folds its events one by one, and all at once to the same', () => {
    const [first, ...others] = foldable(agentEvents)
    const one = evolve(initialAgent('agent-1'), first as Foldable<AnyEvent>)
    expect(others.reduce(evolve, one)).toEqual(agentState)
    expect(evolveAll(initialAgent('agent-1'), foldable(agentEvents))).toEqual(agentState)
    const events = [{ type: 'TurnStarted', payload: { worker_id: 'w', epoch: 2, attempt: 2 } }]
    const started = evolveAll(turn, foldable(events, turn.version + 1))
    expect(started).toMatchObject({ epoch: 2, attempts: 2, version: turn.version + 1 })
    expect(evolve(turn, foldable(events, turn.version + 1)[0] as Foldable<AnyEvent>)).toEqual(
      started,
    )
    const detached = [
      {
        type: 'AgentDetached',
        payload: { intent: { agent_id: agent(1).id }, effect: [], length: 3 },
      },
      { type: 'BlockDeleted', payload: { intent: { reason: null }, effect: [], length: 3 } },
    ]
    const gone = evolveAll(block, foldable(detached, block.version + 1))
    expect(gone).toEqual({ ...block, version: block.version + 2, deleted: true, attached: {} })
    expect(foldable(detached, block.version + 1).reduce(evolve, block)).toEqual(gone)
  })
})

describe('what a snapshot keeps of a state', () => {
  it('is all of an agent and of a turn', () => {
    expect(storedState(agentState)).toEqual(agentState)
    expect(storedState(turn)).toEqual(turn)
    for (const state of [agentState, turn]) {
      expect(restoreState(state.id, JSON.parse(JSON.stringify(storedState(state))))).toEqual(state)
    }
  })

  it('is all of a block but what it remembers; from then on it remembers anew', () => {
    const stored = storedState(block)
    expect(Object.keys(stored).sort()).toEqual(
      Object.keys(block)
        .filter((key) => key !== 'memory')
        .sort(),
    )
    const restored = restoreState(block.id, JSON.parse(JSON.stringify(stored))) as BlockState
    const { memory, ...rest } = restored
    expect(rest).toEqual(stored)
    expect(memory).toEqual({
      start: { version: 3, value: 'a\nb' },
      newest: null,
      count: 0,
      earlier: null,
    })
    expect(edited(restored, insert('c'), saw(restored)).value).toBe('a\nb\nc')
  })

  it('has the defaults of what came later', () => {
    const { policies: _, ...settings } = block.settings
    const old = { ...storedState(block), settings }
    expect((restoreState(block.id, old) as BlockState).settings).toEqual(block.settings)
    const { tools: __, ...agentBefore } = agentState
    expect(restoreState('agent-1', agentBefore)).toEqual(agentState)
  })
})

describe('a type of event', () => {
  it.each([
    'BlockCreated',
    'TextInserted',
    'TextReplaced',
    'BlockRethought',
    'EditReverted',
    'BlockRestored',
    'BlockConfigured',
    'AgentAttached',
    'RightChanged',
    'AgentDetached',
    'BlockDeleted',
    'AgentCreated',
    'AgentConfigured',
    'BlockAttached',
    'BlockRelabelled',
    'BlockRightChanged',
    'BlockDetached',
    'ToolAttached',
    'ToolDetached',
    'MessagesReset',
    'ToolApprovalChanged',
    'AgentScheduled',
    'AgentUnscheduled',
    'AgentDeleted',
    'TurnQueued',
    'TurnStarted',
    'ModelRequested',
    'ModelResponded',
    'ModelRetryScheduled',
    'ToolCalled',
    'ToolReturned',
    'ApprovalRequested',
    'ApprovalGiven',
    'ApprovalDenied',
    'ToolAnswered',
    'TurnCompleted',
    'TurnFailed',
    'TurnDeadLettered',
  ])('that is known: %s', (type) => {
    expect(isKnownType(type)).toBe(true)
  })

  it.each(['', 'blockCreated', 'ContentErased', 'toString', '__proto__'])(
    'that is not: %j',
    (type) => {
      expect(isKnownType(type)).toBe(false)
    },
  )
})

describe('a draft', () => {
  const event: BlockEvent = {
    type: 'AgentAttached',
    payload: { intent: { agent_id: 'agent-1', right: 'read' }, effect: [], length: 0 },
  }

  it('is the state as it will be, version by version', () => {
    const state = draft(created('a'), [event, event], { actor: user, now })
    expect([state.version, state.attached]).toEqual([3, { 'agent-1': 'read' }])
    expect(draft(state, [], { actor: user, now })).toBe(state)
  })

  it('is by whom, when and in which turn it is said to be', () => {
    const { events } = {
      events: [{ type: 'TurnCompleted', payload: { stop_reason: 'end_turn', usage: turn.usage } }],
    }
    expect(draft(turn, events, { ...by, now: 'then' })).toMatchObject({
      status: 'completed',
      doneAt: 'then',
    })
    const text: BlockEvent = {
      type: 'TextInserted',
      payload: {
        intent: { text: 'b', place: { at: 'end' } },
        effect: [{ offset: 1, delete: 0, insert: '\nb' }],
        length: 3,
      },
    }
    const inTurn = draft(created('a'), [text], {
      actor: agent(1),
      now: 'then',
      correlation: { run_id: 'run-9' },
    })
    expect(inTurn.memory.newest?.change).toMatchObject({
      actor: agent(1),
      at: 'then',
      runId: 'run-9',
    })
    expect(draft(created('a'), [text], { actor: user, now }).memory.newest?.change.runId).toBeNull()
  })
})
