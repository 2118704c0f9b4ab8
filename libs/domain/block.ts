import type { Actor } from './actor.js'
import * as edit from './block-edits.js'
import * as refuse from './block-refusals.js'
import { type Rejection, rejection } from './errors.js'
import { accept, type Decided, type Recorded, reject } from './event.js'
import * as text from './text.js'

/** What an attachment lets an agent do: `read` writes nothing, `insert` only inserts, `edit` everything. */
export type Right = 'read' | 'insert' | 'edit'

export type Place = { readonly at: 'end' } | { readonly at: 'line'; readonly line: number }

/** Settings of a block. Labels may repeat among blocks; they are unique on one agent. */
export interface BlockSettings {
  readonly label: string
  readonly description: string | null
  /** Code points. */
  readonly limit: number
  readonly read_only: boolean
  readonly tags: readonly string[]
  readonly metadata: Readonly<Record<string, unknown>>
  readonly hidden: boolean | null
  readonly is_template: boolean
  readonly preserve_on_migration: boolean
  readonly project_id: string | null
  readonly template_name: string | null
}

export type SettingsChange = {
  readonly [K in keyof BlockSettings]?: {
    readonly from: BlockSettings[K]
    readonly to: BlockSettings[K]
  }
}

/** A change of the text that somebody may not have seen. Receipts hold such references, never copies of text. */
export interface ChangeReference {
  readonly version: number
  readonly actor: Actor
  readonly type: string
}

export type InsertReceipt = {
  readonly placed: 'end' | 'line'
  /** 1-based line at which the text now begins. */
  readonly line: number
  readonly lines: number
}
export type ReplaceReceipt = {
  readonly matched: 'exact'
  readonly places: number
  readonly line: number
  readonly unseen: readonly number[]
}
export type RethinkReceipt = {
  /** Changes the writer had not seen (newest last); without a base version nobody knows, so it is empty. */
  readonly overwrote: readonly ChangeReference[]
  /** True when more changes were overwritten than the receipt lists. */
  readonly truncated?: true
  readonly replaced_version: number
}

interface Payload<Intent, Receipt = never> {
  readonly intent: Intent
  readonly effect: readonly text.Splice[]
  readonly receipt?: Receipt
  /** Code points of the text after the event. */
  readonly length: number
}

export type BlockEvent =
  | {
      readonly type: 'BlockCreated'
      readonly payload: Payload<BlockSettings & { readonly value: string }>
    }
  | {
      readonly type: 'TextInserted'
      readonly payload: Payload<{ text: string; place: Place }, InsertReceipt>
    }
  | {
      readonly type: 'TextReplaced'
      readonly payload: Payload<{ old: string; new: string; all?: true }, ReplaceReceipt>
    }
  | {
      readonly type: 'BlockRethought'
      readonly payload: Payload<{ text: string; policy: 'overwrite' }, RethinkReceipt>
    }
  | { readonly type: 'BlockConfigured'; readonly payload: Payload<SettingsChange> }
  | {
      readonly type: 'AgentAttached'
      readonly payload: Payload<{ agent_id: string; right: Right }>
    }
  | { readonly type: 'AgentDetached'; readonly payload: Payload<{ agent_id: string }> }
  | { readonly type: 'BlockDeleted'; readonly payload: Payload<{ reason: string | null }> }

export type Receipt = InsertReceipt | ReplaceReceipt | RethinkReceipt

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
  /** Newest changes of the text, oldest first: what a stale writer is told about. */
  readonly recent: readonly TextChange[]
}

export interface TextChange extends ChangeReference {
  readonly at: string
  readonly runId: string | null
}

/** How many changes a block remembers for receipts and refusals. */
export const RECENT_CHANGES_MAX = 256
/** Code points, unless the creator names another limit. */
export const LIMIT_DEFAULT = 100_000

/** `numbered`: refuse text that was copied from a numbered view (the classic tools never did). */
export type BlockCommand =
  | {
      readonly type: 'InsertText'
      readonly text: string
      readonly place: Place
      readonly numbered: boolean
    }
  | {
      readonly type: 'ReplaceText'
      readonly old: string
      readonly new: string
      /** Every occurrence instead of exactly one. */
      readonly all: boolean
      readonly numbered: boolean
    }
  | { readonly type: 'RethinkBlock'; readonly text: string; readonly numbered: boolean }
  | {
      readonly type: 'PatchBlock'
      readonly value?: string
      readonly settings: Partial<BlockSettings>
    }

/** Who writes, and what it had seen. `ifMatch` compares the whole version, `baseVersion` only looks at text. */
export interface Writer {
  readonly actor: Actor
  readonly baseVersion: number | null
  readonly ifMatch?: number | '*' | null
  readonly runId?: string | null
}

const BLANK: BlockSettings = {
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
    settings: BLANK,
    attached: {},
    createdAt: '',
    createdBy: null,
    recent: [],
  }
}

/** Checks no rule and never throws: history stays readable whatever the rules of today say. */
export function evolveBlock(before: BlockState, event: Recorded<BlockEvent>): BlockState {
  const state = { ...before, version: event.version, ...text.edit(before, event.payload.effect) }
  switch (event.type) {
    case 'BlockCreated': {
      const { value: _, ...settings } = event.payload.intent
      return { ...state, settings, createdAt: event.recordedAt, createdBy: event.actor, recent: [] }
    }
    case 'TextInserted':
    case 'TextReplaced':
    case 'BlockRethought':
      return { ...state, recent: remembered(before, event) }
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

function remembered(before: BlockState, event: Recorded<BlockEvent>): TextChange[] {
  const change: TextChange = {
    version: event.version,
    actor: event.actor,
    type: event.type,
    at: event.recordedAt,
    runId: event.correlation?.run_id ?? null,
  }
  return [...before.recent.slice(1 - RECENT_CHANGES_MAX), change]
}

function reconfigured(settings: BlockSettings, change: SettingsChange): BlockSettings {
  const to = Object.fromEntries(Object.entries(change).map(([key, { to }]) => [key, to]))
  return { ...settings, ...to }
}

/** A new block. `settings` are complete but for what may be left out. */
export function createBlock(
  state: BlockState,
  value: string,
  settings: Partial<BlockSettings> & { readonly label: string },
): Decided<BlockEvent[]> {
  if (state.version > 0) {
    return reject(
      rejection('already_exists', `Block ${state.id} already exists`, { block_id: state.id }),
    )
  }
  const complete: BlockSettings = { ...BLANK, ...settings }
  const fault = refuse.labelFault(complete.label)
  if (fault) return reject(fault)
  const length = text.length(value)
  if (length > complete.limit) return reject(refuse.limitExceeded(state, length, complete.limit))
  const effect = value === '' ? [] : [{ offset: 0, delete: 0, insert: value }]
  return accept([
    { type: 'BlockCreated', payload: { intent: { ...complete, value }, effect, length } },
  ])
}

/**
 * Judges an edit on the text as it is now. Order of checks: the block exists, the actor may write,
 * the arguments, `If-Match`, the rule of the operation, the limit, no change.
 */
export function decideBlock(
  state: BlockState,
  command: BlockCommand,
  writer: Writer,
): Decided<BlockEvent[]> {
  const refusal =
    refuse.missing(state) ??
    refuse.mayWrite(state, command, writer) ??
    refuse.argumentFault(state, command, writer) ??
    refuse.preconditionFault(state, writer)
  if (refusal) return reject(judged(refusal, state))
  const decided = decide(state, command, writer)
  return decided.ok ? decided : reject(judged(decided.rejection, state))
}

/** A refusal names the version it was judged at; of a block that does not exist there is none. */
function judged(refusal: Rejection, state: BlockState): Rejection {
  return state.version === 0 ? refusal : { ...refusal, atVersion: state.version }
}

function decide(state: BlockState, command: BlockCommand, writer: Writer): Decided<BlockEvent[]> {
  switch (command.type) {
    case 'InsertText':
      return edit.insert(state, command.text, command.place)
    case 'ReplaceText':
      return edit.replace(state, command, writer)
    case 'RethinkBlock':
      return edit.rethink(state, command.text, state.settings.limit, writer)
    case 'PatchBlock':
      return edit.patch(state, command, writer)
    default:
      return command satisfies never
  }
}
