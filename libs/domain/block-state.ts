import type { Actor } from './actor.js'
import type {
  BlockEvent,
  BlockSettings,
  ChangeReference,
  Right,
  SettingsChange,
  Writer,
} from './block-events.js'
import type { Foldable } from './event.js'
import {
  changesSince,
  forgets,
  NO_CHANGES,
  type RecentChanges,
  remember,
  rememberAll,
  type TextChange,
} from './recent-changes.js'
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
  /** What a stale writer is told about. */
  readonly recent: RecentChanges
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
    recent: NO_CHANGES,
  }
}

/** Checks no rule and never throws: history stays readable whatever the rules of today say. */
export function evolveBlock(before: BlockState, event: Foldable<BlockEvent>): BlockState {
  if (isEdit(event)) return edited(before, event)
  const state = { ...before, version: event.version, ...text.edit(before, event.payload.effect) }
  switch (event.type) {
    case 'BlockCreated': {
      const { value: _, ...settings } = event.payload.intent
      return {
        ...state,
        settings,
        createdAt: event.recordedAt,
        createdBy: event.actor,
        recent: NO_CHANGES,
      }
    }
    case 'BlockConfigured':
      return { ...state, settings: reconfigured(before.settings, event.payload.intent) }
    case 'AgentAttached': {
      const { agent_id, right } = event.payload.intent
      return { ...state, attached: { ...before.attached, [agent_id]: right } }
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

/** What changes the text and nothing else. */
type TextEdit = Extract<BlockEvent, { type: 'TextInserted' | 'TextReplaced' | 'BlockRethought' }>

function isEdit(event: Foldable<BlockEvent>): event is Foldable<TextEdit> {
  const { type } = event
  return type === 'TextInserted' || type === 'TextReplaced' || type === 'BlockRethought'
}

function edited(before: BlockState, event: Foldable<TextEdit>): BlockState {
  const { value, length, feeds } = text.edit(before, event.payload.effect)
  const recent = remember(before.recent, changeOf(event))
  return { ...before, version: event.version, value, length, feeds, recent }
}

/** What a block remembers of its changes is made once for a whole run of them. */
function editedAll(before: BlockState, edits: readonly Foldable<TextEdit>[]): BlockState {
  const [first] = edits
  if (!first) return before
  if (edits.length === 1) return edited(before, first)
  const { version } = edits.at(-1) as Foldable<TextEdit>
  const effects = edits.map(({ payload }) => payload.effect)
  const { value, length, feeds } = editAll(before, effects)
  return {
    ...before,
    version,
    value,
    length,
    feeds,
    recent: rememberAll(before.recent, edits, changeOf),
  }
}

function changeOf(event: Foldable<TextEdit>): TextChange {
  const { version, actor, type, recordedAt: at, correlation } = event
  return { version, actor, type, at, runId: correlation?.run_id ?? null }
}

function reconfigured(settings: BlockSettings, change: SettingsChange): BlockSettings {
  const to = Object.fromEntries(Object.entries(change).map(([key, { to }]) => [key, to]))
  return { ...settings, ...to }
}

/** Changes of the text after the base version, by others than the writer's own turn. */
export function unseen(state: BlockState, writer: Writer): TextChange[] {
  const base = writer.baseVersion
  if (base === null) return []
  return changesSince(state.recent, base).filter(
    (change) => change.runId === null || change.runId !== writer.runId,
  )
}

/** True when the block no longer remembers every change since the base version. */
export function forgotten(state: BlockState, writer: Writer): boolean {
  return writer.baseVersion !== null && forgets(state.recent, writer.baseVersion)
}

/** Receipts and refusals name a change; they never copy its text. */
export function reference({ version, actor, type }: TextChange): ChangeReference {
  return { version, actor, type }
}
