import { describe, expect, it } from '@jest/globals'
import { AGENT_TYPES, type AgentSettings } from '#domain/agent.js'
import { createBlock } from '#domain/block.js'
import { type BlockState, initialBlock } from '#domain/block-state.js'
import { draft } from '#domain/draft.js'
import { NUMBERED_VIEW_BANNER } from '#domain/text.js'
import { compilePrompt } from './prompt.js'

const by = { actor: { kind: 'user', id: 'local' }, now: '2026-01-05T09:00:00.000Z' } as const

function agent(fields: Partial<AgentSettings> = {}): AgentSettings {
  return {
    agent_type: 'letta_v1_agent',
    system: 'You are Agent1.',
    model: 'openai/gpt-4o-mini',
    ...fields,
  } as AgentSettings
}

function block(
  label: string,
  value: string,
  settings: { description?: string; read_only?: boolean; limit?: number } = {},
): BlockState {
  const empty = initialBlock(`block-${label}`)
  const created = createBlock(empty, value, { label, limit: 4000, ...settings })
  if (!created.ok) throw new Error(created.rejection.detail)
  return draft(empty, created.value.events, by)
}

const organization = block('organization', 'Organization: Letta', {
  description: 'What is known.',
  read_only: true,
})

describe('the prompt', () => {
  it('shows the blocks in the shape that agents of this wire are tuned to, in the order given', () => {
    expect(compilePrompt(agent(), [organization, block('notes', 'a\nb')])).toBe(
      [
        'You are Agent1.',
        '',
        '<memory_blocks>',
        'The following memory blocks are currently engaged in your core memory unit:',
        '',
        '<organization>',
        '<description>',
        'What is known.',
        '</description>',
        '<metadata>',
        '- read_only=true',
        '- chars_current=19',
        '- chars_limit=4000',
        '</metadata>',
        '<value>',
        'Organization: Letta',
        '</value>',
        '</organization>',
        '',
        '<notes>',
        '<description>',
        '',
        '</description>',
        '<metadata>',
        '- chars_current=3',
        '- chars_limit=4000',
        '</metadata>',
        '<value>',
        'a\nb',
        '</value>',
        '</notes>',
        '',
        '</memory_blocks>',
      ].join('\n'),
    )
  })

  it('counts characters as code points', () => {
    expect(compilePrompt(agent(), [block('notes', 'a🙂é')])).toContain('- chars_current=3\n')
  })

  it('escapes nothing', () => {
    expect(compilePrompt(agent(), [block('notes', '<b> & "c" $& $1')])).toContain('<b> & "c" $& $1')
  })

  it('puts the memory where the system text says, everywhere it says so', () => {
    const system = 'Before.\n{CORE_MEMORY}\nAfter. {CORE_MEMORY}'
    const prompt = compilePrompt(agent({ system }), [block('notes', 'costs $& {CORE_MEMORY}')])
    expect(prompt).toMatch(
      /^Before\.\n<memory_blocks>\n[\s\S]*<\/memory_blocks>\nAfter\. <memory_blocks>/,
    )
    expect(prompt.match(/<memory_blocks>/g)).toHaveLength(2)
    expect(prompt).toContain('costs $& {CORE_MEMORY}')
  })

  it('has no element without blocks', () => {
    expect(compilePrompt(agent(), [])).toBe('You are Agent1.')
    expect(compilePrompt(agent({ system: 'a{CORE_MEMORY}b' }), [])).toBe('ab')
  })

  it('shows no blocks to agents of the types react_agent and workflow_agent', () => {
    for (const agent_type of ['react_agent', 'workflow_agent'] as const) {
      expect(compilePrompt(agent({ agent_type }), [organization])).toBe('You are Agent1.')
    }
  })

  it('numbers the lines for three types of agents, and for Anthropic models only', () => {
    const model = 'anthropic/claude-sonnet-4'
    const numbered = AGENT_TYPES.filter((agent_type) =>
      compilePrompt(agent({ agent_type, model }), [organization]).includes('1→ '),
    )
    expect(numbered.toSorted()).toEqual(['letta_v1_agent', 'memgpt_v2_agent', 'sleeptime_agent'])
    expect(compilePrompt(agent(), [organization])).not.toContain('1→')
  })

  it('numbers from 1 and warns before the value; an empty value shows no lines', () => {
    const model = 'anthropic/claude-sonnet-4'
    const prompt = compilePrompt(agent({ model }), [block('notes', 'a\n\nb'), block('empty', '')])
    expect(prompt).toContain(
      `</metadata>\n<warning>\n${NUMBERED_VIEW_BANNER}\n</warning>\n<value>\n1→ a\n2→ \n3→ b\n</value>`,
    )
    expect(prompt).toContain('- chars_current=4\n')
    expect(prompt).toContain(`${NUMBERED_VIEW_BANNER}\n</warning>\n<value>\n\n</value>\n</empty>`)
  })
})
