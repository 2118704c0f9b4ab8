import { describe, expect, it } from '@jest/globals'
import { now, user } from '../../test/support/block-commands.js'
import {
  type AgentCommand,
  type AgentState,
  createAgent,
  decideAgent,
  initialAgent,
} from './agent.js'
import { draft } from './draft.js'
import { approvalTools } from './tool-approval.js'

const by = { actor: user, now }
const said = { name: 'ada', system: '', model: 'openai/m' }
const TOOLS = [
  { id: 'tool-1', name: 'one' },
  { id: 'tool-2', name: 'two', requiresApproval: true },
]
const rule = (tool_name: string) => ({ type: 'requires_approval', tool_name })
const other = { type: 'run_first', tool_name: 'one' }

function done(state: AgentState, command: AgentCommand): AgentState {
  const decided = decideAgent(state, command)
  if (!decided.ok) throw new Error(decided.rejection.code)
  return draft(state, decided.value, by)
}
const set = (toolName: string, requiresApproval: boolean): AgentCommand => ({
  type: 'SetToolApproval',
  toolName,
  requiresApproval,
})
const created = createAgent(initialAgent('agent-1'), { ...said, tool_rules: [other] }, TOOLS)
const agent = draft(initialAgent('agent-1'), created.ok ? created.value : [], by)

describe('whether calls of a tool wait for a person', () => {
  it('is what the tool says when it is attached, kept among the other rules', () => {
    expect(agent.settings.tool_rules).toEqual([other, rule('two')])
    expect(agent.tools).toEqual([
      { id: 'tool-1', name: 'one' },
      { id: 'tool-2', name: 'two' },
    ])
    const tool = { id: 'tool-3', name: 'three', requiresApproval: true }
    expect([...approvalTools(done(agent, { type: 'AttachTool', tool }))]).toEqual(['two', 'three'])
  })

  it('can be changed for each agent, and changing nothing records nothing', () => {
    const both = done(agent, set('one', true))
    expect(both.settings.tool_rules).toEqual([other, rule('two'), rule('one')])
    expect(done(both, set('two', false)).settings.tool_rules).toEqual([other, rule('one')])
    expect(decideAgent(both, set('one', true))).toEqual({ ok: true, value: [] })
    expect(decideAgent(agent, set('one', true))).toEqual({
      ok: true,
      value: [
        { type: 'ToolApprovalChanged', payload: { tool_id: 'tool-1', requires_approval: true } },
      ],
    })
  })

  it('is also said by the rules as a whole, and outlives the tool', () => {
    const ruled = done(agent, { type: 'ConfigureAgent', settings: { tool_rules: [rule('one')] } })
    expect([...approvalTools(ruled)]).toEqual(['one'])
    const without = done(ruled, { type: 'DetachTool', toolId: 'tool-1' })
    expect([...approvalTools(without)]).toEqual(['one'])
    expect(decideAgent(without, set('one', false))).toMatchObject({
      ok: false,
      rejection: { code: 'tool_not_found', facts: { agent_id: 'agent-1', name: 'one' } },
    })
  })
})
