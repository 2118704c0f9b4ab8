import { modelName } from '#adapters/model-names.js'
import type { AgentView } from '#read-models/agents.js'
import type { BlockView } from '#read-models/blocks.js'
import type { StoredMessage } from '#read-models/messages.js'
import type { ToolRow } from '#read-models/tools.js'
import { providerOf } from './agent-request.js'
import { renderBlock } from './block-wire.js'
import { renderMessages, type WireMessage } from './message-wire.js'
import { wireTime } from './time-wire.js'
import { renderTool } from './tool-wire.js'

/** What an agent's state shows beside its own settings. */
export interface AgentParts {
  /** In the order of the prompt. */
  readonly blocks: readonly BlockView[]
  readonly tools: readonly ToolRow[]
  readonly tags: readonly string[]
  readonly messageIds: readonly string[]
  /** The message whose calls wait for an answer. */
  readonly pendingApproval: StoredMessage | null
}

/**
 * An agent as Letta's clients know it. `embedding_config` is left out: older clients warn of a null
 * there.
 */
export function renderAgent(agent: AgentView, parts: AgentParts) {
  const { settings, lastRun } = agent
  const blocks = parts.blocks.map(renderBlock)
  return {
    id: agent.id,
    name: settings.name,
    agent_type: settings.agent_type,
    system: settings.system,
    model: settings.model,
    model_settings: settings.model_settings,
    embedding: settings.embedding,
    llm_config: {
      model: modelName(settings.model),
      model_endpoint_type: providerOf(settings.model),
      model_endpoint: null,
      context_window: settings.context_window_limit,
      handle: settings.model,
      put_inner_thoughts_in_kwargs: false,
    },
    compaction_settings: null,
    response_format: settings.response_format,
    memory: {
      agent_type: settings.agent_type,
      git_enabled: false,
      blocks,
      file_blocks: [],
      prompt_template: '',
    },
    blocks,
    tools: parts.tools.map(renderTool),
    sources: [],
    tags: parts.tags,
    tool_rules: settings.tool_rules,
    message_ids: parts.messageIds,
    ...NOT_OFFERED,
    pending_approval: pendingApproval(parts.pendingApproval),
    message_buffer_autoclear: settings.message_buffer_autoclear,
    memory_updates: settings.memory_updates ?? true,
    max_tokens_per_day: settings.max_tokens_per_day ?? null,
    enable_sleeptime: settings.enable_sleeptime,
    last_run_completion: lastRun && wireTime(lastRun.completedAt),
    last_run_duration_ms: lastRun?.durationMs ?? null,
    last_stop_reason: lastRun?.stopReason ?? null,
    timezone: settings.timezone,
    hidden: settings.hidden,
    description: settings.description,
    metadata: settings.metadata,
    project_id: settings.project_id,
    created_at: wireTime(agent.createdAt),
    updated_at: wireTime(agent.updatedAt),
    created_by_id: agent.createdBy.id,
    last_updated_by_id: agent.updatedBy.id,
  }
}

function pendingApproval(message: StoredMessage | null): WireMessage | null {
  const items = message ? renderMessages([message]) : []
  return items.find((item) => item.message_type === 'approval_request_message') ?? null
}

/** What clients look for and no agent here has. */
const NOT_OFFERED = {
  secrets: [],
  tool_exec_environment_variables: [],
  identity_ids: [],
  identities: [],
  multi_agent_group: null,
  managed_group: null,
  max_files_open: null,
  per_file_view_window_char_limit: null,
  template_id: null,
  base_template_id: null,
  deployment_id: null,
  entity_id: null,
}
