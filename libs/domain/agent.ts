import type { Actor } from './actor.js'
import type { Right } from './block-events.js'
import { type Rejection, rejection } from './errors.js'
import { accept, type Decided, type Foldable, reject } from './event.js'
import { evolveSchedules, type Schedule, type ScheduleEvent } from './schedule.js'
import { setToolApproval, type ToolRule, withToolApproval } from './tool-approval.js'
import { type Trigger, type TriggerEvent, withTrigger } from './trigger.js'

/** Settings of an agent. Names are not unique. */
export interface AgentSettings {
  readonly name: string
  readonly agent_type: AgentType
  /** The prompt; `{CORE_MEMORY}` in it stands for the memory blocks. */
  readonly system: string
  /** `provider/model`. */
  readonly model: string
  readonly description: string | null
  readonly tags: readonly string[]
  readonly metadata: Readonly<Record<string, unknown>> | null
  readonly timezone: string
  readonly hidden: boolean | null
  readonly project_id: string | null
  /** Tokens. */
  readonly context_window_limit: number
  readonly message_buffer_autoclear: boolean
  /** A running turn is told at each step what others changed in its blocks. */
  readonly memory_updates: boolean
  /** Tokens that its turns may use in a day (UTC) all together; null means no bound. */
  readonly max_tokens_per_day: number | null
  readonly model_settings: Readonly<Record<string, unknown>>
  readonly tool_rules: readonly ToolRule[]
  readonly embedding: string | null
  readonly response_format: Readonly<Record<string, unknown>> | null
  readonly enable_sleeptime: boolean | null
}

export const AGENT_TYPES = [
  'memgpt_agent',
  'memgpt_v2_agent',
  'letta_v1_agent',
  'react_agent',
  'workflow_agent',
  'split_thread_agent',
  'sleeptime_agent',
  'voice_convo_agent',
  'voice_sleeptime_agent',
] as const
export type AgentType = (typeof AGENT_TYPES)[number]

export type AgentSettingsChange = {
  readonly [K in keyof AgentSettings]?: {
    readonly from: AgentSettings[K]
    readonly to: AgentSettings[K]
  }
}

export type AgentEvent =
  | { readonly type: 'AgentCreated'; readonly payload: AgentSettings }
  | { readonly type: 'AgentConfigured'; readonly payload: AgentSettingsChange }
  | {
      readonly type: 'BlockAttached'
      readonly payload: { block_id: string; label: string; right: Right }
    }
  | { readonly type: 'BlockRelabelled'; readonly payload: { block_id: string; label: string } }
  | { readonly type: 'BlockRightChanged'; readonly payload: { block_id: string; right: Right } }
  | { readonly type: 'BlockDetached'; readonly payload: { block_id: string } }
  | {
      readonly type: 'ToolAttached'
      /** `requires_approval`: its calls wait for a person from the beginning. */
      readonly payload: { tool_id: string; name: string; requires_approval?: true }
    }
  | { readonly type: 'ToolDetached'; readonly payload: { tool_id: string; name: string } }
  | { readonly type: 'MessagesReset'; readonly payload: { through_run_id: string } }
  | {
      readonly type: 'ToolApprovalChanged'
      readonly payload: { tool_id: string; requires_approval: boolean }
    }
  | TriggerEvent
  | ScheduleEvent
  | { readonly type: 'AgentDeleted'; readonly payload: Record<string, never> }

export interface AttachedBlock {
  readonly id: string
  readonly label: string
  readonly right: Right
  /** The agent's version at which it was attached. */
  readonly place: number
  readonly attachedAt: string
}
export interface AttachedTool {
  readonly id: string
  readonly name: string
}
export interface ToolToAttach extends AttachedTool {
  readonly requiresApproval?: boolean
}

/** The fold of an agent's stream. `blocks` stands in the order of attachment: the order of the prompt. */
export interface AgentState {
  readonly id: string
  readonly version: number
  readonly deleted: boolean
  readonly settings: AgentSettings
  readonly blocks: readonly AttachedBlock[]
  readonly tools: readonly AttachedTool[]
  readonly triggers: readonly Trigger[]
  readonly schedules: readonly Schedule[]
  /** The newest run that is no longer in its context. */
  readonly resetThrough: string | null
  readonly createdAt: string
  readonly createdBy: Actor | null
}

/** Blocks in one agent's prompt. */
export const BLOCKS_MAX = 20
const TOOLS_MAX = 200

const BLANK: AgentSettings = {
  name: '',
  agent_type: 'letta_v1_agent',
  system: '',
  model: '',
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

export function initialAgent(id: string): AgentState {
  return {
    id,
    version: 0,
    deleted: false,
    settings: BLANK,
    blocks: [],
    tools: [],
    triggers: [],
    schedules: [],
    resetThrough: null,
    createdAt: '',
    createdBy: null,
  }
}

/** Checks no rule and never throws. */
export function evolveAgent(before: AgentState, event: Foldable<AgentEvent>): AgentState {
  const state = { ...before, version: event.version }
  switch (event.type) {
    case 'AgentCreated':
      return {
        ...state,
        settings: { ...BLANK, ...event.payload },
        createdAt: event.recordedAt,
        createdBy: event.actor,
      }
    case 'AgentConfigured': {
      const to = Object.fromEntries(Object.entries(event.payload).map(([key, { to }]) => [key, to]))
      return { ...state, settings: { ...before.settings, ...to } }
    }
    case 'BlockAttached': {
      const { block_id: id, label, right = 'edit' } = event.payload
      return {
        ...state,
        blocks: [
          ...before.blocks,
          { id, label, right, place: event.version, attachedAt: event.recordedAt },
        ],
      }
    }
    case 'BlockRelabelled': {
      const { block_id, label } = event.payload
      const blocks = before.blocks.map((b) => (b.id === block_id ? { ...b, label } : b))
      return { ...state, blocks }
    }
    case 'BlockRightChanged': {
      const { block_id, right } = event.payload
      const blocks = before.blocks.map((b) => (b.id === block_id ? { ...b, right } : b))
      return { ...state, blocks }
    }
    case 'BlockDetached':
      return { ...state, blocks: before.blocks.filter((b) => b.id !== event.payload.block_id) }
    case 'ToolAttached': {
      const { tool_id: id, name, requires_approval: required } = event.payload
      const attached = { ...state, tools: [...before.tools, { id, name }] }
      return required ? withToolApproval(attached, id, true) : attached
    }
    case 'ToolDetached':
      return { ...state, tools: before.tools.filter((t) => t.id !== event.payload.tool_id) }
    case 'MessagesReset':
      return { ...state, resetThrough: event.payload.through_run_id }
    case 'ToolApprovalChanged':
      return withToolApproval(state, event.payload.tool_id, event.payload.requires_approval)
    case 'TriggerSet':
    case 'TriggerRemoved':
      return { ...state, triggers: withTrigger(before.triggers, event) }
    case 'AgentScheduled':
    case 'AgentUnscheduled':
      return { ...state, schedules: evolveSchedules(before.schedules, event) }
    case 'AgentDeleted':
      return { ...state, deleted: true, blocks: [], tools: [] }
    default:
      return event satisfies never
  }
}

export type AgentCommand =
  | { readonly type: 'ConfigureAgent'; readonly settings: Partial<AgentSettings> }
  | { readonly type: 'AttachTool'; readonly tool: ToolToAttach }
  | { readonly type: 'DetachTool'; readonly toolId: string }
  /** `throughRunId`: the newest of its turns that has begun, or null when none has. */
  | { readonly type: 'ResetMessages'; readonly throughRunId: string | null }
  | {
      readonly type: 'SetToolApproval'
      readonly toolName: string
      readonly requiresApproval: boolean
    }

/** A new agent with its tools; its blocks are attached in the same unit by `attachment.ts`. */
export function createAgent(
  state: AgentState,
  settings: Partial<AgentSettings> & Pick<AgentSettings, 'name' | 'system' | 'model'>,
  tools: readonly ToolToAttach[],
): Decided<AgentEvent[]> {
  if (state.version > 0) {
    return reject(
      rejection('already_exists', `Agent ${state.id} already exists`, { agent_id: state.id }),
    )
  }
  const created: AgentEvent = { type: 'AgentCreated', payload: { ...BLANK, ...settings } }
  return accept([created, ...unique(tools).map(toolAttached)])
}

export function decideAgent(state: AgentState, command: AgentCommand): Decided<AgentEvent[]> {
  const refusal = missingAgent(state)
  if (refusal) return reject(refusal)
  switch (command.type) {
    case 'ConfigureAgent': {
      const change = settingsChange(state.settings, command.settings)
      if (Object.keys(change).length === 0) return accept([])
      return accept([{ type: 'AgentConfigured', payload: change }])
    }
    case 'AttachTool': {
      const { tool } = command
      if (state.tools.some((t) => t.id === tool.id)) return accept([])
      if (state.tools.length < TOOLS_MAX) return accept([toolAttached(tool)])
      const detail = `An agent has at most ${TOOLS_MAX} tools`
      return reject(rejection('invalid_argument', detail, { agent_id: state.id }))
    }
    case 'DetachTool': {
      const tool = state.tools.find((t) => t.id === command.toolId)
      if (!tool) return accept([])
      return accept([{ type: 'ToolDetached', payload: { tool_id: tool.id, name: tool.name } }])
    }
    case 'ResetMessages': {
      const { throughRunId: through_run_id } = command
      if (through_run_id === null || through_run_id === state.resetThrough) return accept([])
      return accept([{ type: 'MessagesReset', payload: { through_run_id } }])
    }
    case 'SetToolApproval':
      return setToolApproval(state, command.toolName, command.requiresApproval)
    default:
      return command satisfies never
  }
}

export function missingAgent(state: AgentState): Rejection | null {
  const facts = { agent_id: state.id }
  if (state.version === 0) return rejection('agent_not_found', 'Agent not found', facts)
  if (state.deleted) return rejection('gone', `Agent ${state.id} was deleted`, facts)
  return null
}

function toolAttached({ id: tool_id, name, requiresApproval }: ToolToAttach): AgentEvent {
  const approval = requiresApproval ? { requires_approval: true as const } : {}
  return { type: 'ToolAttached', payload: { tool_id, name, ...approval } }
}

function unique(tools: readonly ToolToAttach[]): ToolToAttach[] {
  return [...new Map(tools.map((tool) => [tool.id, tool])).values()]
}

function settingsChange(from: AgentSettings, to: Partial<AgentSettings>): AgentSettingsChange {
  const changed = (Object.keys(to) as (keyof AgentSettings)[]).filter(
    (key) => to[key] !== undefined && JSON.stringify(to[key]) !== JSON.stringify(from[key]),
  )
  return Object.fromEntries(changed.map((key) => [key, { from: from[key], to: to[key] }]))
}
