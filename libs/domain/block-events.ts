import type { Actor } from './actor.js'
import type * as text from './text.js'

/** What an attachment lets an agent do: `read` writes nothing, `insert` only inserts, `edit` everything. */
export type Right = 'read' | 'insert' | 'edit'

/** Where a text is inserted: at the end, after a line by number (0: before the first), or after a line by its text. */
export type Place =
  | { readonly at: 'end' }
  | { readonly at: 'line'; readonly line: number }
  | { readonly at: 'after'; readonly anchor: string }

/** What becomes of an edit whose writer had not seen everything. */
export interface BlockPolicies {
  /**
   * `overwrite`: it applies, with a receipt. `preserve`: unseen inserts are kept. `guard`: it is refused.
   * `merge`: it is merged line by line, or refused.
   */
  readonly rethink: 'overwrite' | 'preserve' | 'guard' | 'merge'
  /** `text`: the words count, wherever they stand now. `strict`: they must stand where the writer saw them. */
  readonly replace: 'text' | 'strict'
  /** Of an insert whose line was rewritten: it goes to the `end`, or is refused. */
  readonly anchor_lost: 'end' | 'reject'
}

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
  readonly policies: BlockPolicies
}

/** Settings to be changed; of the policies only those named. */
export type SettingsPatch = Partial<Omit<BlockSettings, 'policies'>> & {
  readonly policies?: Partial<BlockPolicies>
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

export interface InsertReceipt {
  readonly placed: 'end' | 'line' | 'after'
  /** 1-based line at which the text now begins. */
  readonly line: number
  readonly lines: number
  /** Why it stands at the end although another place was asked for, and who took that place away. */
  readonly reason?: 'anchor_lost'
  readonly lost_at?: ChangeReference
  /** The line that was asked for, where other edits have moved it since. */
  readonly from_line?: number
}

export interface ReplaceReceipt {
  /**
   * `exact`: where the writer saw it. `tracked`: there too, although the words now stand elsewhere as well.
   * `relocated`: what the writer saw is gone; the same words stood once more. `patch`: hunk by hunk.
   */
  readonly matched: 'exact' | 'tracked' | 'relocated' | 'patch'
  /** Of words that were relocated: who took away those the writer saw, if it saw any. */
  readonly lost_at?: ChangeReference
  readonly places: number
  readonly line: number
  /** Versions that changed the text since the writer looked. */
  readonly unseen: readonly number[]
}

/** What a whole-text write (rethink, restore) did to changes that its writer had not seen. */
export interface RethinkReceipt {
  /** Gone from the text, newest last; without a base version nobody knows, so it is empty. */
  readonly overwrote: readonly ChangeReference[]
  /** Lines added by others, kept at the end of the text, in order. */
  readonly kept?: readonly ChangeReference[]
  readonly merged?: true
  /** True when more changes were overwritten than the receipt lists. */
  readonly truncated?: true
  readonly replaced_version: number
}

export interface RevertReceipt {
  /** Whose edit was undone. */
  readonly reverted: ChangeReference
  readonly merged?: true
}

/** Why nothing had to be done. */
export type UnchangedReceipt =
  | { readonly already_applied_by: ChangeReference }
  /** 1-based line at which the text stands already. */
  | { readonly existing_line: number }

export type Receipt =
  | InsertReceipt
  | ReplaceReceipt
  | RethinkReceipt
  | RevertReceipt
  | UnchangedReceipt

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
      readonly payload: Payload<{ text: string; place: Place; unique_line?: true }, InsertReceipt>
    }
  | {
      readonly type: 'TextReplaced'
      readonly payload: Payload<ReplaceIntent, ReplaceReceipt>
    }
  | {
      readonly type: 'BlockRethought'
      readonly payload: Payload<{ text: string; policy: BlockPolicies['rethink'] }, RethinkReceipt>
    }
  | { readonly type: 'EditReverted'; readonly payload: Payload<{ version: number }, RevertReceipt> }
  | {
      readonly type: 'BlockRestored'
      readonly payload: Payload<
        { version: number; policy: BlockPolicies['rethink'] },
        RethinkReceipt
      >
    }
  | { readonly type: 'BlockConfigured'; readonly payload: Payload<SettingsChange> }
  | {
      readonly type: 'AgentAttached'
      readonly payload: Payload<{ agent_id: string; right: Right }>
    }
  | {
      readonly type: 'RightChanged'
      readonly payload: Payload<{ agent_id: string; right: { from: Right; to: Right } }>
    }
  | { readonly type: 'AgentDetached'; readonly payload: Payload<{ agent_id: string }> }
  | { readonly type: 'BlockDeleted'; readonly payload: Payload<{ reason: string | null }> }

export type ReplaceIntent =
  | { readonly old: string; readonly new: string; readonly all?: true }
  | { readonly patch: string }

/** `numbered`: refuse text that was copied from a numbered view (the classic tools never did). */
export type BlockCommand =
  | {
      readonly type: 'InsertText'
      readonly text: string
      readonly place: Place
      /** Nothing happens when the very line stands there already. */
      readonly unique?: boolean
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
  | { readonly type: 'PatchText'; readonly patch: string }
  | { readonly type: 'RethinkBlock'; readonly text: string; readonly numbered: boolean }
  | { readonly type: 'RevertEdit'; readonly version: number }
  /** `text`: what stood there at the version, which the log has for good. */
  | { readonly type: 'RestoreBlock'; readonly version: number; readonly text: string }
  | {
      readonly type: 'PatchBlock'
      readonly value?: string
      readonly settings: SettingsPatch
    }

/** Who writes, and what it had seen. `ifMatch` compares the whole version, `baseVersion` only looks at text. */
export interface Writer {
  readonly actor: Actor
  readonly baseVersion: number | null
  readonly ifMatch?: number | '*' | null
  readonly runId?: string | null
}

/** What a command comes to: its events, none where nothing changes, and what its writer is told. */
export interface BlockDecision {
  readonly events: readonly BlockEvent[]
  readonly receipt: Receipt | null
}

export function decided(events: readonly BlockEvent[], receipt: Receipt | null): BlockDecision {
  return { events, receipt }
}
