import type { Actor } from './actor.js'
import type {
  BlockCommand,
  BlockEvent,
  BlockSettings,
  ChangeReference,
  Right,
  SettingsChange,
  Writer,
} from './block-events.js'
import {
  type BlockMemory,
  type BlockPast,
  changesSince,
  LOOK_BACK_MAX,
  lookFurtherBack,
  REMEMBERED_MIN,
  reaches,
  remember,
  startMemory,
  type TextChange,
} from './block-memory.js'
import type { Foldable } from './event.js'
import * as text from './text.js'
import { editAll } from './text-run.js'

/** The fold of a block's stream and nothing else. */
export interface BlockState extends text.Measured {
  readonly id: string
  /** 0: nothing has happened yet. */
  readonly version: number
  readonly deleted: boolean
  readonly settings: BlockSettings
  readonly attached: Readonly<Record<string, Right>>
  readonly createdAt: string
  readonly createdBy: Actor | null
  /** What a stale writer is told about: how far back it reaches is no part of the fold. */
  readonly memory: BlockMemory
}

/** Code points, unless the creator names another limit. */
export const LIMIT_DEFAULT = 100_000

/** What a creator may leave out. */
export const BLANK_SETTINGS: BlockSettings = {
  label: '',
  description: null,
  limit: LIMIT_DEFAULT,
  read_only: false,
  tags: [],
  metadata: {},
  hidden: null,
  is_template: false,
  preserve_on_migration: false,
  project_id: null,
  template_name: null,
  policies: { rethink: 'overwrite', replace: 'text', anchor_lost: 'end' },
}

export function initialBlock(id: string): BlockState {
  return {
    id,
    version: 0,
    deleted: false,
    ...text.measure(''),
    settings: BLANK_SETTINGS,
    attached: {},
    createdAt: '',
    createdBy: null,
    memory: startMemory(0, ''),
  }
}

/** Checks no rule and never throws: history stays readable whatever the rules of today say. */
export function evolveBlock(before: BlockState, event: Foldable<BlockEvent>): BlockState {
  if (isEdit(event)) return edited(before, event)
  const state = { ...before, version: event.version }
  switch (event.type) {
    case 'BlockCreated': {
      const { value: _, ...settings } = event.payload.intent
      const created = text.edit(before, event.payload.effect)
      return {
        ...state,
        ...created,
        settings: { ...BLANK_SETTINGS, ...settings },
        createdAt: event.recordedAt,
        createdBy: event.actor,
        memory: startMemory(event.version, created.value),
      }
    }
    case 'BlockConfigured':
      return { ...state, settings: reconfigured(before.settings, event.payload.intent) }
    case 'AgentAttached': {
      const { agent_id, right } = event.payload.intent
      return { ...state, attached: { ...before.attached, [agent_id]: right } }
    }
    case 'RightChanged': {
      const { agent_id, right } = event.payload.intent
      return { ...state, attached: { ...before.attached, [agent_id]: right.to } }
    }
    case 'AgentDetached': {
      const { [event.payload.intent.agent_id]: _, ...attached } = before.attached
      return { ...state, attached }
    }
    case 'BlockDeleted':
      return { ...state, deleted: true, attached: {} }
    default:
      return event satisfies never
  }
}

/** The same, for events one after another: long runs of edits take a fraction of the time. */
export function evolveBlockAll(
  before: BlockState,
  events: readonly Foldable<BlockEvent>[],
): BlockState {
  let state = before
  let edits: Foldable<TextEdit>[] = []
  for (const event of events) {
    if (isEdit(event)) edits.push(event)
    else {
      state = evolveBlock(editedAll(state, edits), event)
      edits = []
    }
  }
  return editedAll(state, edits)
}

/** What changes the text of a block that exists, and nothing else. */
export type TextEdit = Extract<
  BlockEvent,
  { type: 'TextInserted' | 'TextReplaced' | 'BlockRethought' | 'EditReverted' | 'BlockRestored' }
>

const EDITS: ReadonlySet<string> = new Set<TextEdit['type']>([
  'TextInserted',
  'TextReplaced',
  'BlockRethought',
  'EditReverted',
  'BlockRestored',
])

export function isEdit(event: Foldable<BlockEvent>): event is Foldable<TextEdit> {
  return EDITS.has(event.type)
}

function edited(before: BlockState, event: Foldable<TextEdit>): BlockState {
  const memory = remember(before.memory, before, changeOf(event))
  return withText(before, event.version, text.edit(before, event.payload.effect), memory)
}

/** Field by field: a copy of a copy of a copy has a shape of its own, which the engine learns each time. */
function withText(
  { id, deleted, settings, attached, createdAt, createdBy }: BlockState,
  version: number,
  { value, length, feeds }: text.Measured,
  memory: BlockMemory,
): BlockState {
  return {
    id,
    version,
    deleted,
    value,
    length,
    feeds,
    settings,
    attached,
    createdAt,
    createdBy,
    memory,
  }
}

/** Of a long run only the newest are remembered; the others are applied in place. */
function editedAll(before: BlockState, edits: readonly Foldable<TextEdit>[]): BlockState {
  const bulk = edits.slice(0, -REMEMBERED_MIN)
  const last = bulk.at(-1)
  if (!last) return edits.reduce(edited, before)
  const measured = editAll(
    before,
    bulk.map(({ payload }) => payload.effect),
  )
  const memory = startMemory(last.version, measured.value)
  const state = withText(before, last.version, measured, memory)
  return edits.slice(-REMEMBERED_MIN).reduce(edited, state)
}

export function changeOf(event: Foldable<TextEdit>): TextChange {
  const { version, actor, type, recordedAt: at, correlation, payload } = event
  return { version, actor, type, at, runId: correlation?.run_id ?? null, effect: payload.effect }
}

function reconfigured(settings: BlockSettings, change: SettingsChange): BlockSettings {
  const to = Object.fromEntries(Object.entries(change).map(([key, { to }]) => [key, to]))
  return { ...settings, ...to }
}

/** What a snapshot keeps of it. */
export function storedBlock({ memory: _, ...state }: BlockState): Omit<BlockState, 'memory'> {
  return state
}

/** From a snapshot on, it remembers anew. Settings that came later have their defaults. */
export function restoreBlock(stored: Omit<BlockState, 'memory'>): BlockState {
  const settings = { ...BLANK_SETTINGS, ...stored.settings }
  return { ...stored, settings, memory: startMemory(stored.version, stored.value) }
}

/** The state, able to tell about a stretch of its past too. */
export function withPast(state: BlockState, past: BlockPast): BlockState {
  return { ...state, memory: lookFurtherBack(state.memory, past) }
}

/** The oldest version that is looked back to for a writer who had seen `version`. */
export function lookBackTo(state: BlockState, version: number): number {
  return Math.max(version, state.version - LOOK_BACK_MAX)
}

/** Changes of the text after the base version, by others than the writer's own turn. */
export function unseen(state: BlockState, writer: Writer): TextChange[] {
  const base = writer.baseVersion
  if (base === null) return []
  return changesSince(state.memory, lookBackTo(state, base)).filter(
    (change) => change.runId === null || change.runId !== writer.runId,
  )
}

/** True when the base version lies too far back for every change since to be told. */
export function forgotten(state: BlockState, { baseVersion }: Writer): boolean {
  return baseVersion !== null && lookBackTo(state, baseVersion) > baseVersion
}

/** The version the block's memory must reach back to for this command; null when it does. */
export function missingPast(
  state: BlockState,
  command: BlockCommand,
  writer: Writer,
): number | null {
  const { baseVersion, ifMatch } = writer
  const wanted = [baseVersion, typeof ifMatch === 'number' ? ifMatch : null]
  if (command.type === 'RevertEdit') wanted.push(command.version - 1)
  const versions = wanted.filter((version) => version !== null && version < state.version)
  // Before its first version a block has no text that a change could have changed.
  const oldest = Math.max(1, Math.min(...(versions as number[])))
  const from = lookBackTo(state, oldest)
  return versions.length === 0 || reaches(state.memory, from) ? null : from
}

/** Receipts and refusals name a change; they never copy its text. */
export function reference({ version, actor, type }: TextChange): ChangeReference {
  return { version, actor, type }
}
