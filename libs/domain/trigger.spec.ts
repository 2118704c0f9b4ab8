import { describe, expect, it } from '@jest/globals'
import { now, user } from '../../test/support/block-commands.js'
import { type AgentState, createAgent, initialAgent } from './agent.js'
import { attach, deleteAgent, deleteBlock, detach } from './attachment.js'
import { createBlock } from './block.js'
import { type BlockState, initialBlock } from './block-state.js'
import { draft } from './draft.js'
import type { Decided } from './event.js'
import type { Append } from './streams.js'
import {
  removeTrigger,
  setTrigger,
  TRIGGERS_MAX,
  type Trigger,
  type TriggerEvent,
  triggersDetached,
  withTrigger,
} from './trigger.js'

const by = { actor: user, now }
const said = { name: 'ada', system: '', model: 'openai/m' }
const created = createAgent(initialAgent('agent-1'), said, [])
const made = createBlock(initialBlock('block-1'), 'a', { label: 'notes' })

function value<T>(decided: Decided<T>): T {
  if (!decided.ok) throw new Error(decided.rejection.code)
  return decided.value
}
const codeOf = (decided: Decided<unknown>) => (decided.ok ? null : decided.rejection.code)

/** Both sides after a decision about them. */
function after(agent: AgentState, block: BlockState, appends: readonly Append[]) {
  const of = (id: string) => appends.filter((a) => a.streamId === id).map((a) => a.event)
  return { agent: draft(agent, of(agent.id), by), block: draft(block, of(block.id), by) }
}

const alone = draft(initialAgent('agent-1'), value(created), by)
const free = draft(initialBlock('block-1'), value(made).events, by)
const { agent, block } = after(alone, free, value(attach(free, alone, 'read')))
const wish = { id: 'trigger-1', debounceMs: 10, input: null }
const watching = draft(agent, value(setTrigger(agent, block, wish)), by)
const removed = (reason: string) => ({
  type: 'TriggerRemoved',
  payload: { trigger_id: 'trigger-1', block_id: 'block-1', reason },
})

describe('a trigger', () => {
  it('is set with the version of the block, by whoever may read it', () => {
    expect(value(setTrigger(agent, block, wish))).toEqual([
      {
        type: 'TriggerSet',
        payload: {
          trigger_id: 'trigger-1',
          block_id: 'block-1',
          block_version: 2,
          debounce_ms: 10,
          input: null,
        },
      },
    ])
    expect(watching.triggers).toEqual([{ id: 'trigger-1', blockId: 'block-1' }])
  })

  it('is refused for what is not there, not attached, or too many', () => {
    const full = Array.from({ length: TRIGGERS_MAX }, (_, i) => ({
      id: `trigger-${i}`,
      blockId: block.id,
    }))
    expect([
      codeOf(setTrigger(initialAgent('agent-2'), block, wish)),
      codeOf(setTrigger(agent, initialBlock('block-2'), wish)),
      codeOf(setTrigger(alone, free, wish)),
      codeOf(setTrigger({ ...agent, triggers: full }, block, wish)),
      codeOf(setTrigger({ ...agent, triggers: full.slice(1) }, block, wish)),
    ]).toEqual(['agent_not_found', 'block_not_found', 'not_attached', 'too_many_triggers', null])
  })

  it('is removed once', () => {
    const events = value(removeTrigger(watching, 'trigger-1'))
    expect(events).toEqual([removed('removed')])
    const without = draft(watching, events, by)
    expect(without.triggers).toEqual([])
    expect(codeOf(removeTrigger(without, 'trigger-1'))).toBe('trigger_not_found')
  })

  it('leaves those on other blocks alone when it ends', () => {
    const others = [
      { id: 'trigger-0', blockId: 'block-0' },
      { id: 'trigger-2', blockId: 'block-2' },
    ]
    const [first, last] = others as [Trigger, Trigger]
    const several = { ...watching, triggers: [first, ...watching.triggers, last] }
    const events = value(removeTrigger(several, 'trigger-1'))
    expect(events).toEqual([removed('removed')])
    expect(draft(several, events, by).triggers).toEqual(others)
    expect(triggersDetached(several, 'block-1')).toEqual([removed('block_detached')])
    expect(withTrigger(others, events[0] as TriggerEvent)).toEqual(others)
  })

  it('is refused with what is in the way', () => {
    const refusal = (decided: Decided<unknown>) => (decided.ok ? null : decided.rejection)
    const unattached = refusal(setTrigger(alone, free, wish))
    expect(unattached?.facts).toEqual({ block_id: 'block-1', agent_id: 'agent-1' })
    const missing = refusal(removeTrigger(agent, 'trigger-9'))
    expect(missing?.detail).toBe('Agent agent-1 has no trigger trigger-9')
    expect(missing?.facts).toEqual({ agent_id: 'agent-1', trigger_id: 'trigger-9' })
  })

  it('ends with the attachment, the block and the agent, and the log says why', () => {
    const ended = (appends: readonly Append[]) =>
      appends.filter((a) => a.event.type === 'TriggerRemoved').map((a) => a.event)
    expect(ended(value(detach(block, watching, user)))).toEqual([removed('block_detached')])
    expect(ended(value(deleteBlock(block, null, [watching])))).toEqual([removed('block_detached')])
    const gone = value(deleteAgent(watching, [block]))
    expect(ended(gone)).toEqual([removed('agent_deleted')])
    expect(after(watching, block, gone).agent.triggers).toEqual([])
  })
})
