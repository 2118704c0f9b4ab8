import type { Actor } from './actor.js'
import type * as text from './text.js'

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
