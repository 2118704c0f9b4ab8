import type { Writer } from '#domain/block-events.js'
import { type BlockState, forgotten, unseen } from '#domain/block-state.js'
import type { Rejection } from '#domain/errors.js'
import { linesNow } from '#domain/seen-lines.js'
import { type ToldChange, tellChanges } from '#domain/told-changes.js'
import { type BlockChange, isEdit } from './block-change.js'
import type { BlockChanged } from './change-block.js'

/** Changes that a model is told one by one, and code points of each text that is quoted to it. */
const CHANGES_TOLD_MAX = 8
export const QUOTED_LENGTH_MAX = 160

/** How a block judged a tool's change: the tool's return is written from it. */
export interface BlockJudgement {
  readonly blockId: string
  readonly change: BlockChange['type']
  readonly label: string
  readonly policy: string
  /** The block's version after the change, and its text. */
  readonly version: number
  readonly text: string
  /** What the model had seen, if anybody knows. */
  readonly baseVersion: number | null
  /** The newest changes by others since then, and how many there were in all. */
  readonly unseen: readonly ToldChange[]
  readonly unseenCount: number
  /** Lines of the text as it is now that the change was about, where it found no place or another one. */
  readonly places: readonly number[]
  /** True when the base lies too far back for all of them to be counted. */
  readonly forgotten: boolean
  readonly verdict:
    | { readonly ok: true; readonly changed: BlockChanged }
    | { readonly ok: false; readonly rejection: Rejection }
}

/**
 * @param before the block as the change found it, able to tell what its writer had not seen
 * @param after the block as the change left it: the same when it was refused
 */
export function judgementOf(
  before: BlockState,
  after: BlockState,
  change: BlockChange,
  writer: Writer,
  verdict: BlockJudgement['verdict'],
): BlockJudgement {
  const missed = unseen(before, writer)
  return {
    blockId: after.id,
    change: change.type,
    label: after.settings.label,
    policy: after.settings.policies.rethink,
    version: after.version,
    text: after.value,
    baseVersion: writer.baseVersion,
    unseen: tellChanges(before, missed.slice(-CHANGES_TOLD_MAX), QUOTED_LENGTH_MAX),
    unseenCount: missed.length,
    places: isEdit(change) && missesItsPlace(verdict) ? linesNow(before, change, writer) : [],
    forgotten: forgotten(before, writer),
    verdict,
  }
}

function missesItsPlace(verdict: BlockJudgement['verdict']): boolean {
  if (!verdict.ok) return true
  const { receipt } = verdict.changed
  return receipt !== null && 'reason' in receipt
}
