import type { ColumnType, GeneratedAlways } from 'kysely'
import type { Actor } from '#domain/actor.js'
import type { AgentSettings } from '#domain/agent.js'
import type { BlockPolicies, Right } from '#domain/block-events.js'
import type { StopReason, TurnOptions, TurnSource, Usage } from '#domain/turn-events.js'
import type { MessageContent } from './message-content.js'
import type { TriggerRow } from './trigger-table.js'

/** Times go in as ISO text and come out as Date. */
type Time = ColumnType<Date, string, string>
type Json<T> = ColumnType<T, string, string>
/** pg hands out bigint as text; none here outgrows a double. */
type BigInt64 = ColumnType<string, number | string, number | string>

export interface EventsTable {
  tenant_id: string
  stream_id: string
  version: number
  position: GeneratedAlways<string>
  type: string
  schema: number
  actor: Json<Actor>
  command_id: string
  correlation: Json<object | null>
  base_version: number | null
  recorded_at: Time
  payload: Json<object | null>
  salt: Buffer | null
  payload_hash: Buffer
  prev_hash: Buffer
  hash: Buffer
}

export interface StreamsTable {
  tenant_id: string
  stream_id: string
  kind: string
  version: number
  hash: Buffer
  value: string | null
  length: number
}

export interface SnapshotsTable {
  tenant_id: string
  stream_id: string
  version: number
  state: Json<object>
}

export interface CommandResultsTable {
  tenant_id: string
  command_id: string
  stream_id: string
  fingerprint: Buffer
  verdict: 'ok' | 'rejected'
  version: number
  facts: Json<object>
  recorded_at: Time
  kept_until: Time | null
}

export interface BlockRow {
  tenant_id: string
  block_id: string
  label: string
  description: string | null
  char_limit: number
  read_only: boolean
  tags: string[]
  metadata: object
  hidden: boolean | null
  is_template: boolean
  preserve_on_migration: boolean
  project_id: string | null
  template_name: string | null
  policies: BlockPolicies
  deleted: boolean
  created_at: string
  created_by: Actor
}

export interface AgentRow {
  tenant_id: string
  agent_id: string
  name: string
  tags: string[]
  settings: AgentSettings
  tool_ids: string[]
  hidden: boolean | null
  project_id: string | null
  deleted: boolean
  /** The newest of its runs that its context no longer holds. */
  reset_through: string | null
  created_at: string
  created_by: Actor
}

export interface AttachmentRow {
  tenant_id: string
  agent_id: string
  block_id: string
  label: string
  place: number
  access_right: Right
  attached_at: string
}

export interface ScheduleRow {
  tenant_id: string
  schedule_id: string
  agent_id: string
  name: string | null
  cron: string
  tz: string
  input: string
  created_at: string
}

/** Without `seq`: the mailbox hands it out in the statement that queues the turn. */
export interface TurnRow {
  tenant_id: string
  run_id: string
  agent_id: string
  status: string
  source: TurnSource
  request_hash: string | null
  options: TurnOptions
  attempts_without_progress: number
  step_count: number
  stop_reason: StopReason | null
  failure: { class: string; detail: string; facts: object } | null
  usage: Usage
  simulated: boolean
  deadline: string | null
  queued_at: string
  started_at: string | null
  done_at: string | null
}

export interface StepRow {
  tenant_id: string
  run_id: string
  step: number
  /** `''` for the model call. */
  tool_call_id: string
  step_id: string
  agent_id: string
  kind: 'model' | 'tool'
  name: string
  status: 'pending' | 'success' | 'failed'
  usage: Usage | null
  stop_reason: string | null
  error: object | null
  created_at: string
  done_at: string | null
}

export interface MessageRow {
  tenant_id: string
  message_id: string
  agent_id: string
  run_id: string | null
  step_id: string | null
  version: number
  item: number
  role: 'system' | 'user' | 'assistant' | 'tool' | 'approval' | 'summary'
  content: MessageContent
  name: string | null
  otid: string | null
  sender_id: string | null
  created_at: string
}

export interface MailboxesTable {
  tenant_id: string
  agent_id: string
  epoch: BigInt64
  owner: string | null
  next_seq: BigInt64
  pending: number
  ready_at: Time
  not_before: Time | null
}

export interface SubscriptionsTable {
  tenant_id: string
  name: string
  checkpoint: BigInt64
  owner: string | null
  epoch: BigInt64
  lease_until: Time
}

export interface QuarantinedStreamsTable {
  tenant_id: string
  subscription: string
  stream_id: string
  version: number
  position: BigInt64
  error: string
  retry: boolean
  quarantined_at: Time
}

export interface WorkersTable {
  worker_id: string
  lease_until: Time
  lock_key: BigInt64 | null
  places: number
}

export interface ToolsTable {
  tenant_id: string
  tool_id: string
  name: string
  tool_type: string
  description: string | null
  source_type: string | null
  source_code: string | null
  json_schema: Json<Record<string, unknown>>
  args_json_schema: Json<Record<string, unknown> | null>
  tags: string[]
  return_char_limit: number
  pip_requirements: Json<unknown[] | null>
  npm_requirements: Json<unknown[] | null>
  default_requires_approval: boolean | null
  enable_parallel_execution: boolean
  metadata: Json<Record<string, unknown>>
  project_id: string | null
  created_by: Json<Actor>
  updated_by: Json<Actor>
  created_at: Time
  updated_at: Time
}

/** A row as it is selected: times are Dates. */
type Stored<Row, Times extends keyof Row, Jsons extends keyof Row> = {
  [K in keyof Row]: K extends Times
    ? ColumnType<null extends Row[K] ? Date | null : Date, string | null, string | null>
    : K extends Jsons
      ? Json<Row[K]>
      : Row[K]
}

/** Every table, for Kysely. */
export interface Tables {
  events: EventsTable
  streams: StreamsTable
  snapshots: SnapshotsTable
  command_results: CommandResultsTable
  server_keys: { name: string; key: Buffer }
  blocks: Stored<BlockRow, 'created_at', 'metadata' | 'created_by'>
  agents: Stored<AgentRow, 'created_at', 'settings' | 'created_by'>
  attachments: Stored<AttachmentRow, 'attached_at', never>
  schedules: Stored<ScheduleRow, 'created_at', never>
  turns: Stored<
    TurnRow,
    'deadline' | 'queued_at' | 'started_at' | 'done_at',
    'options' | 'failure' | 'usage'
  > & { seq: BigInt64 }
  steps: Stored<StepRow, 'created_at' | 'done_at', 'usage' | 'error'>
  messages: Stored<MessageRow, 'created_at', 'content'>
  triggers: Stored<TriggerRow, 'created_at', 'created_by'>
  subscriptions: SubscriptionsTable
  quarantined_streams: QuarantinedStreamsTable
  mailboxes: MailboxesTable
  workers: WorkersTable
  run_callbacks: Record<'tenant_id' | 'run_id', string> &
    Record<'error', string | null> & { sent_at: Date | null; status_code: number | null }
  tools: ToolsTable
}

/** The read models that events write: their rows, and the columns that name one. */
export interface Projected {
  blocks: BlockRow
  agents: AgentRow
  attachments: AttachmentRow
  schedules: ScheduleRow
  turns: TurnRow
  steps: StepRow
  messages: MessageRow
  triggers: TriggerRow
}

export const KEYS: { readonly [T in keyof Projected]: readonly (keyof Projected[T] & string)[] } = {
  blocks: ['block_id'],
  agents: ['agent_id'],
  attachments: ['agent_id', 'block_id'],
  schedules: ['schedule_id'],
  turns: ['run_id'],
  steps: ['run_id', 'step', 'tool_call_id'],
  messages: ['message_id'],
  triggers: ['trigger_id'],
}
