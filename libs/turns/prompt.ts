import type { AgentSettings } from '#domain/agent.js'
import type { BlockState } from '#domain/block-state.js'
import { lines, NUMBERED_VIEW_BANNER } from '#domain/text.js'

/** Where the memory blocks go in an agent's system text; without it they are appended. */
const PLACE = '{CORE_MEMORY}'

const NUMBERED_TYPES: ReadonlySet<string> = new Set([
  'sleeptime_agent',
  'memgpt_v2_agent',
  'letta_v1_agent',
])
const BLOCKLESS_TYPES: ReadonlySet<string> = new Set(['react_agent', 'workflow_agent'])

/**
 * The system message: the agent's text with its memory blocks, in the order of attachment and in the
 * shape that agents of this wire are tuned to. Values are not escaped.
 */
export function compilePrompt(agent: AgentSettings, blocks: readonly BlockState[]): string {
  const shown = BLOCKLESS_TYPES.has(agent.agent_type) ? [] : blocks
  const numbered = NUMBERED_TYPES.has(agent.agent_type) && agent.model.startsWith('anthropic/')
  const memory = shown.length > 0 ? renderMemory(shown, numbered) : ''
  if (agent.system.includes(PLACE)) return agent.system.split(PLACE).join(memory)
  return memory === '' ? agent.system : `${agent.system}\n\n${memory}`
}

function renderMemory(blocks: readonly BlockState[], numbered: boolean): string {
  return [
    '<memory_blocks>',
    'The following memory blocks are currently engaged in your core memory unit:',
    '',
    blocks.map((block) => renderBlock(block, numbered)).join('\n\n'),
    '',
    '</memory_blocks>',
  ].join('\n')
}

function renderBlock(block: BlockState, numbered: boolean): string {
  const { label, description, read_only, limit } = block.settings
  return [
    `<${label}>`,
    '<description>',
    description ?? '',
    '</description>',
    '<metadata>',
    ...(read_only ? ['- read_only=true'] : []),
    `- chars_current=${block.length}`,
    `- chars_limit=${limit}`,
    '</metadata>',
    ...(numbered ? ['<warning>', NUMBERED_VIEW_BANNER, '</warning>'] : []),
    '<value>',
    numbered ? numberedLines(block.value) : block.value,
    '</value>',
    `</${label}>`,
  ].join('\n')
}

function numberedLines(value: string): string {
  if (value === '') return ''
  return lines(value)
    .map((line, i) => `${i + 1}→ ${line}`)
    .join('\n')
}
