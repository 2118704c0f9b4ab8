import { describe, expect, it } from '@jest/globals'
import type { AgentView } from '#read-models/agents.js'
import { golden } from '../../../test/support/contract.js'
import { parseBody } from '../http/validation.js'
import {
  agentPatch,
  agentSettings,
  type NewAgentSettings,
  newAgent,
  newAgentSettings,
} from './agent-request.js'
import { renderAgent } from './agent-wire.js'

function settingsOf(body: object): NewAgentSettings {
  return newAgentSettings(parseBody(newAgent, body))
}

describe('a new agent', () => {
  it('needs nothing but a model', () => {
    const settings = settingsOf({ model: 'openai/gpt-4o-mini', name: null, unknown: true })
    expect(settings).toMatchObject({
      agent_type: 'letta_v1_agent',
      model: 'openai/gpt-4o-mini',
      context_window_limit: 128_000,
    })
    expect(settings.name).toMatch(/^[A-Z][a-z]+[A-Z][a-z]+$/)
    expect(settings.system).toContain('{CORE_MEMORY}')
    expect(settings.model_settings).toEqual(golden('agent-state')['model_settings'])
    expect(() => settingsOf({})).toThrow('needs a model')
    expect(() => settingsOf({ model: '' })).toThrow('needs a model')
  })

  it('may name its model in the older form', () => {
    const llm_config = { model: 'm', model_endpoint_type: 'anthropic', context_window: 9000 }
    expect(settingsOf({ llm_config })).toMatchObject({
      model: 'anthropic/m',
      context_window_limit: 9000,
      model_settings: { provider_type: 'anthropic' },
    })
  })

  it('keeps the settings of its model that its creator chose', () => {
    const { model_settings } = settingsOf({ model: 'openai/m', model_settings: { temperature: 0 } })
    expect(model_settings).toMatchObject({ temperature: 0, max_output_tokens: 16_384 })
  })
})

describe('a change of an agent', () => {
  it('is only what is there and not null', () => {
    const body = parseBody(agentPatch, { name: 'n', description: null, tags: ['a', 'a'] })
    expect(agentSettings(body)).toEqual({ name: 'n', tags: ['a'] })
  })

  it('of the model brings the window of the new one', () => {
    const body = parseBody(agentPatch, { model: 'openai/gpt-4o' })
    expect(agentSettings(body)).toEqual({ model: 'openai/gpt-4o', context_window_limit: 128_000 })
  })
})

describe("an agent's state", () => {
  it('has every key of the published sample, and no embedding_config', () => {
    const settings = {
      ...settingsOf({ model: 'openai/gpt-4o-mini', name: 'agent2' }),
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
    const by = { kind: 'user', id: 'local' } as const
    const at = new Date('2026-01-05T09:00:01.000Z')
    const view: AgentView = {
      id: 'agent-132a327b-ccfb-4db4-b228-00ed1567a5f1',
      settings,
      toolIds: [],
      deleted: false,
      createdAt: at,
      createdBy: by,
      updatedAt: at,
      updatedBy: by,
      lastRun: null,
    }
    const none = {
      blocks: [],
      tools: [],
      tags: [],
      messageIds: [],
      pendingApproval: null,
    }
    const sample = golden('agent-state-no-blocks')
    const state = renderAgent(view, none)
    expect(Object.keys(state)).toEqual(expect.arrayContaining(Object.keys(sample)))
    expect(state).not.toHaveProperty('embedding_config')
    const { llm_config, memory, created_at } = state
    expect({ llm_config, memory, created_at }).toEqual({
      llm_config: sample['llm_config'],
      memory: sample['memory'],
      created_at: sample['created_at'],
    })
  })
})
