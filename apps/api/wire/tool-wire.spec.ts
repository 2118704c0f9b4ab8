import { describe, expect, it } from '@jest/globals'
import { AGENT_TYPES } from '#domain/agent.js'
import type { ToolRow } from '#read-models/tools.js'
import { BUILTIN_TOOLS, baseToolNames, TERMINAL_TOOLS } from '#turns/builtin-tools.js'
import { golden } from '../../../test/support/contract.js'
import { Problem } from '../http/problem.js'
import { parseBody } from '../http/validation.js'
import { changedFields, newTool, renderTool, toolChanges } from './tool-wire.js'

const actor = { kind: 'user', id: 'user-47c403a0-1184-42f0-bf4e-ac17999ab496' } as const
const ROW: ToolRow = {
  tenant_id: 'default',
  tool_id: 'tool-1',
  name: 'roll',
  tool_type: 'custom',
  description: 'old',
  source_type: null,
  source_code: null,
  json_schema: { name: 'roll', description: 'old', parameters: { type: 'object' } },
  args_json_schema: null,
  tags: [],
  return_char_limit: 50_000,
  pip_requirements: null,
  npm_requirements: null,
  default_requires_approval: null,
  enable_parallel_execution: false,
  metadata: {},
  project_id: null,
  created_by: actor,
  updated_by: actor,
  created_at: new Date(0),
  updated_at: new Date(0),
}

type Sample = Record<string, unknown> & { name: string; json_schema: object }

describe('tools on the wire', () => {
  it('are rendered as the samples are', () => {
    for (const sample of [golden<Sample>('tool'), ...golden<Sample[]>('tool-list')]) {
      const { id, metadata_, created_by_id, last_updated_by_id, ...same } = sample
      expect(renderTool({ ...ROW, ...same, tool_id: id } as ToolRow)).toEqual(sample)
    }
  })

  it('have the names, types and parameters that agents are tuned to', () => {
    for (const sample of golden<Sample[]>('tool-list')) {
      const tool = BUILTIN_TOOLS.find(({ name }) => name === sample.name)
      expect(tool).toMatchObject({
        tool_type: sample.tool_type,
        parallel: sample.enable_parallel_execution,
      })
      const { parameters } = sample.json_schema as { parameters: Record<string, object> }
      const mine = tool?.json_schema.parameters as typeof parameters
      expect(Object.keys(mine.properties ?? {})).toEqual(
        expect.arrayContaining(Object.keys(parameters.properties ?? {})),
      )
      expect(mine.required).toEqual(parameters.required)
    }
  })
})

describe('the catalogue', () => {
  it('has every tool an agent type begins with', () => {
    const names = BUILTIN_TOOLS.map((tool) => tool.name)
    for (const type of AGENT_TYPES)
      expect(names).toEqual(expect.arrayContaining([...baseToolNames(type, false)]))
    expect(baseToolNames('letta_v1_agent', false)).toEqual([
      'conversation_search',
      'memory_insert',
      'memory_replace',
    ])
    expect([...TERMINAL_TOOLS].sort()).toEqual(['memory_finish_edits', 'send_message'])
  })

  it('asks only for arguments that it describes', () => {
    for (const { name, json_schema } of BUILTIN_TOOLS) {
      const { properties, required } = json_schema.parameters as {
        properties: Record<string, { description?: string }>
        required: string[]
      }
      expect(json_schema.name).toBe(name)
      expect(Object.keys(properties)).toEqual(expect.arrayContaining(required))
      expect(Object.values(properties).every((property) => property.description)).toBe(true)
    }
  })
})

describe('a new tool', () => {
  it.each<[string, object, string]>([
    ['its schema', { json_schema: { name: 'roll_dice' }, name: 'other' }, 'roll_dice'],
    ['its function', { source_code: 'def roll(sides: int):\n  return sides\n' }, 'roll'],
    [
      'its last function',
      { source_code: 'def helper():\n  def inner():\n    pass\nasync  def main (\n):' },
      'main',
    ],
    [
      'a function of TypeScript',
      { source_type: 'typescript', source_code: 'export function hi(a: string) {}' },
      'hi',
    ],
    ['the name it is given', { source_code: 'x = 1', name: 'given' }, 'given'],
  ])('is called by %s', (_from, body, name) => {
    expect(parseBody(newTool, body)).toMatchObject({
      name,
      json_schema: { name, parameters: { type: 'object' } },
    })
  })

  it.each<[string, object]>([
    ['without any name', { source_code: 'x = 1' }],
    ['with a name no provider accepts', { json_schema: { name: 'roll dice' } }],
    ['that returns nothing', { name: 'a', return_char_limit: 0 }],
  ])('%s is refused', (_what, body) => {
    expect(() => parseBody(newTool, body)).toThrow(Problem)
  })

  it('keeps what is said of it, and describes itself to the model', () => {
    const parameters = { type: 'object', properties: { sides: { type: 'integer' } } }
    const body = {
      description: 'Rolls.',
      json_schema: { name: 'roll', parameters },
      tags: ['dice'],
      pip_requirements: [{ name: 'numpy', version: null }],
      metadata_: { a: 1 },
    }
    expect(parseBody(newTool, body)).toEqual({
      name: 'roll',
      description: 'Rolls.',
      json_schema: { name: 'roll', description: 'Rolls.', parameters },
      tags: ['dice'],
      pip_requirements: [{ name: 'numpy', version: null }],
      metadata: { a: 1 },
    })
  })
})

describe('a changed tool', () => {
  const change = (body: object) => changedFields(ROW, parseBody(toolChanges, body))

  it('keeps what is left out or null', () => {
    expect(change({ tags: ['a'], description: null })).toEqual({ tags: ['a'] })
    expect(change({})).toEqual({})
  })

  it('tells the model its new description', () => {
    expect(change({ description: 'new' })).toEqual({
      description: 'new',
      json_schema: { name: 'roll', description: 'new', parameters: { type: 'object' } },
    })
  })

  it('says under which name it is known', () => {
    expect(parseBody(toolChanges, { source_code: 'def other(): pass' }).name).toBe('other')
    expect(parseBody(toolChanges, { tags: [] }).name).toBeUndefined()
  })
})
