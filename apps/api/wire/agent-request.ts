import { randomInt } from 'node:crypto'
import { z } from 'zod'
import { contextWindow, modelName } from '#adapters/model-names.js'
import { AGENT_TYPES, type AgentSettings } from '#domain/agent.js'
import { Problem } from '../http/problem.js'
import { absentOr, customIssue, id, integer, jsonObject, text } from '../http/validation.js'
import { newBlock } from './block-wire.js'
import { DEFAULT_SYSTEM } from './default-system.js'
import { present } from './present.js'

const TOKENS = integer({ min: 1, max: 2_147_483_647 })

/** Kept as it is; one that cannot be obeyed as it is meant is refused. */
const toolRule = jsonObject().superRefine((rule, context) => {
  if (rule.type !== 'requires_approval' || typeof rule.tool_name === 'string') return
  const issue = customIssue('invalid_argument', 'missing, expected the name of a tool')
  context.addIssue({ ...issue, path: ['tool_name'] })
})

const settings = {
  name: absentOr(text()),
  system: absentOr(text()),
  model: absentOr(text()),
  embedding: absentOr(text()),
  /** An older form of `model`: read only where `model` is missing. */
  llm_config: absentOr(
    z.object({
      handle: absentOr(text()),
      model: absentOr(text()),
      model_endpoint_type: absentOr(text()),
      context_window: absentOr(TOKENS),
    }),
  ),
  model_settings: absentOr(jsonObject()),
  context_window_limit: absentOr(TOKENS),
  description: absentOr(text()),
  tags: absentOr(z.array(text())),
  metadata: absentOr(jsonObject()),
  timezone: absentOr(text()),
  hidden: absentOr(z.boolean()),
  project_id: absentOr(text()),
  message_buffer_autoclear: absentOr(z.boolean()),
  memory_updates: absentOr(z.boolean()),
  /** Null takes the bound away: no client of Letta's sends it without meaning it. */
  max_tokens_per_day: TOKENS.nullable().optional(),
  tool_rules: absentOr(z.array(toolRule)),
  response_format: absentOr(jsonObject()),
  enable_sleeptime: absentOr(z.boolean()),
  tool_ids: absentOr(z.array(id('tool'))),
  block_ids: absentOr(z.array(id('block'))),
}

/** An agent to be made: everything may be left out but a model. */
export const newAgent = z.object({
  ...settings,
  agent_type: absentOr(z.enum(AGENT_TYPES)),
  memory_blocks: absentOr(z.array(newBlock)),
  tools: absentOr(z.array(text())),
  include_base_tools: absentOr(z.boolean()),
})
export type NewAgentBody = z.output<typeof newAgent>

/** A change of an agent: only what is there and not null counts. */
export const agentPatch = z.object(settings)
export type AgentPatchBody = z.output<typeof agentPatch>

export type NewAgentSettings = Partial<AgentSettings> &
  Pick<AgentSettings, 'name' | 'system' | 'model' | 'agent_type'>

/** The handle that is asked for a model's name. */
type HandleOf = (model: string) => string
const itself: HandleOf = (model) => model

/** @throws Problem model_required, and what `handleOf` throws */
export function newAgentSettings(
  body: NewAgentBody,
  handleOf: HandleOf = itself,
): NewAgentSettings {
  const model = modelOf(body)
  if (!model) throw new Problem('model_required', 'A new agent needs a model')
  return {
    ...agentSettings(body, handleOf),
    name: body.name ?? randomName(),
    system: body.system ?? DEFAULT_SYSTEM,
    agent_type: body.agent_type ?? 'letta_v1_agent',
    model,
    model_settings: { ...defaultModelSettings(handleOf(model)), ...body.model_settings },
  }
}

/** The settings a request names. A new model without a window of its own brings the model's. */
export function agentSettings(
  body: AgentPatchBody,
  handleOf: HandleOf = itself,
): Partial<AgentSettings> {
  const model = modelOf(body)
  const handle = model && handleOf(model)
  const window = body.context_window_limit ?? body.llm_config?.context_window
  return present({
    name: body.name,
    system: body.system,
    model,
    embedding: body.embedding,
    model_settings: body.model_settings,
    context_window_limit: window ?? (handle ? contextWindow(modelName(handle)) : undefined),
    description: body.description,
    tags: body.tags && [...new Set(body.tags)],
    metadata: body.metadata,
    timezone: body.timezone,
    hidden: body.hidden,
    project_id: body.project_id,
    message_buffer_autoclear: body.message_buffer_autoclear,
    memory_updates: body.memory_updates,
    max_tokens_per_day: body.max_tokens_per_day,
    tool_rules: body.tool_rules,
    response_format: body.response_format,
    enable_sleeptime: body.enable_sleeptime,
  })
}

function modelOf({ model, llm_config: config }: AgentPatchBody): string | undefined {
  if (model) return model
  if (config?.handle) return config.handle
  if (!config?.model) return undefined
  return `${config.model_endpoint_type ?? 'openai'}/${config.model}`
}

/** What stands before the first slash of `provider/model`. */
export function providerOf(model: string): string {
  const slash = model.indexOf('/')
  return slash > 0 ? model.slice(0, slash) : 'openai'
}

function defaultModelSettings(model: string): Record<string, unknown> {
  const provider_type = providerOf(model)
  const common = { provider_type, max_output_tokens: 16_384, parallel_tool_calls: true }
  if (provider_type !== 'openai') return { ...common, temperature: 1, response_format: null }
  return {
    ...common,
    strict: false,
    temperature: 1,
    reasoning: { reasoning_effort: 'minimal' },
    response_format: null,
  }
}

const COLOURS = ['Amber', 'Cobalt', 'Crimson', 'Indigo', 'Ivory', 'Ochre', 'Sepia', 'Umber']
const THINGS = ['Codex', 'Folio', 'Ledger', 'Parchment', 'Quill', 'Scribe', 'Scroll', 'Vellum']

/** Names are not unique; this one is only easier to say than an id. */
function randomName(): string {
  return `${COLOURS[randomInt(COLOURS.length)]}${THINGS[randomInt(THINGS.length)]}`
}

/** The flag, which older clients send in the query, is read and changes nothing: agents begin without messages. */
export const resetMessages = z
  .object({ add_default_initial_messages: absentOr(z.boolean()) })
  .nullish()
