import type { BlockJudgement } from '#commands/block-judgement.js'
import type {
  ChangeReference,
  InsertReceipt,
  Receipt,
  ReplaceReceipt,
  RethinkReceipt,
} from '#domain/block-events.js'
import { length } from '#domain/text.js'
import type { MemoryOperation } from './memory-operation.js'
import { type ChangeList, labelled, nameOf, unseenList } from './told-words.js'

/** What an operation came to. */
export interface AppliedWords {
  readonly effect: string
  readonly may: readonly string[]
  readonly lists: readonly ChangeList[]
  readonly next: string | null
  /** The text belongs to what is asked for; of a long one, the lines around these. */
  readonly showsText: boolean
  readonly places: readonly number[]
  /** The model wrote every word of the text as it is now. */
  readonly knowsText: boolean
}

const PLAIN = { may: [], next: null, showsText: false, places: [], knowsText: false } as const

/** @param of says which block, where a call touched several. */
export function appliedWords(
  operation: MemoryOperation,
  judgement: BlockJudgement,
  receipt: Receipt | null,
  changed: boolean,
  of = '',
): AppliedWords {
  const lists = unseenList(judgement, of)
  if (!changed) {
    const knowsText = operation.do === 'edit' && operation.command.type === 'RethinkBlock'
    return { ...PLAIN, lists, effect: unchanged(receipt), knowsText }
  }
  if (operation.do !== 'edit') return { ...PLAIN, lists, ...attachment(operation) }
  const { command } = operation
  switch (command.type) {
    case 'InsertText':
      return { ...PLAIN, lists, ...inserted(receipt as InsertReceipt) }
    case 'ReplaceText':
    case 'PatchText':
      return { ...PLAIN, lists, ...replaced(receipt as ReplaceReceipt, judgement.baseVersion) }
    case 'PatchBlock':
      return { ...PLAIN, lists, effect: configured(operation.label, command.settings.label) }
    default:
      return rethought(judgement, receipt as RethinkReceipt, of)
  }
}

function unchanged(receipt: Receipt | null): string {
  if (receipt && 'already_applied_by' in receipt) {
    const { version, actor } = receipt.already_applied_by
    return `v${version} by ${nameOf(actor)} already made exactly this change. Nothing left to do.`
  }
  if (receipt && 'existing_line' in receipt) {
    return `the very line stands there already, as line ${receipt.existing_line}. Nothing left to do.`
  }
  return 'it already is as you want it. Nothing left to do.'
}

type Attachment = Exclude<MemoryOperation, { do: 'edit' }>

function attachment(operation: Attachment): Pick<AppliedWords, 'effect' | 'knowsText'> {
  if (operation.do === 'create') {
    const count = characters(length(operation.value))
    return { effect: `created with ${count} and attached to you.`, knowsText: true }
  }
  const effect = 'detached from you; the block, its text and its history stay.'
  return { effect, knowsText: false }
}

function characters(count: number): string {
  return count === 1 ? '1 character' : `${count} characters`
}

function configured(from: string, to: string | undefined): string {
  return to === undefined
    ? 'its description was changed.'
    : `renamed from ${labelled(from)} to ${labelled(to)}, for every agent that has it.`
}

function inserted(receipt: InsertReceipt): Pick<AppliedWords, 'effect'> & Partial<AppliedWords> {
  const { placed, line, lines, reason, from_line } = receipt
  const count = lines === 1 ? '1 line' : `${lines} lines`
  if (reason === 'anchor_lost') {
    return {
      effect: `${count} added at the end, because ${lostLine(receipt)}.`,
      next: 'read the block below and move the lines with memory_replace if the place matters.',
      showsText: true,
      places: [line],
    }
  }
  if (placed === 'end') return { effect: `${count} added at the end (line ${line}).` }
  const moved = from_line === undefined ? '' : `, after the line you counted as ${from_line}`
  return { effect: `${count} added as line ${line}${moved}.` }
}

function lostLine({ from_line, lost_at }: InsertReceipt): string {
  const which =
    from_line === undefined ? 'the line you named' : `the line you counted from (${from_line})`
  return lost_at ? `${which} was rewritten at ${by(lost_at)}` : `${which} is not known any more`
}

function by({ version, actor }: ChangeReference): string {
  return `v${version} by ${nameOf(actor)}`
}

function replaced(
  receipt: ReplaceReceipt,
  baseVersion: number | null,
): Pick<AppliedWords, 'effect'> & Partial<AppliedWords> {
  const { matched, places, line, lost_at } = receipt
  const where = places === 1 ? `in line ${line}` : `in ${places} places, the first in line ${line}`
  if (matched === 'tracked') {
    return {
      effect: `replaced ${where} (matched: tracked). The same words stand elsewhere too by now; those you saw were changed.`,
    }
  }
  if (matched === 'relocated' && lost_at) {
    return {
      effect: `replaced ${where} (matched: relocated). What you saw was removed at ${by(lost_at)}; the same words stood once more, in line ${line}, and were changed there.`,
      next: `if line ${line} was the wrong place, put its old words back with memory_replace.`,
    }
  }
  // Words that were not there when it looked it can only have been told since: it meant this place.
  if (matched === 'relocated') {
    return {
      effect: `replaced ${where} (matched: relocated), where the words have come since v${baseVersion}.`,
    }
  }
  return { effect: `${matched === 'patch' ? 'patched' : 'replaced'} ${where}.` }
}

function rethought(judgement: BlockJudgement, receipt: RethinkReceipt, of: string): AppliedWords {
  const { policy, baseVersion, unseen } = judgement
  const { overwrote, kept = [], merged, replaced_version } = receipt
  const told = (references: readonly ChangeReference[]) =>
    unseen.filter(({ version }) => references.some((reference) => reference.version === version))
  const named = (count: number) => (count === 1 ? '1 change' : `${count} changes`)
  const lists: ChangeList[] = []
  if (kept.length > 0) {
    const intro = `Added by others while you wrote${of}, and kept at the end of your text:`
    lists.push({ intro, changes: told(kept), count: kept.length })
  }
  if (overwrote.length > 0) {
    const count = Math.max(overwrote.length, judgement.unseenCount - kept.length)
    const intro = `Your text replaced ${named(count)} you had not seen${of} (you knew v${baseVersion}):`
    lists.push({ intro, changes: told(overwrote), count, outro: 'The history keeps them.' })
  }
  if (merged) lists.push(...unseenList(judgement, of))
  const rewritten = merged
    ? 'your text and theirs were merged, line by line'
    : 'your text is now the whole block'
  const effect = policy === 'overwrite' ? `${rewritten}.` : `${rewritten} (policy ${policy}).`
  const may =
    baseVersion === null ? [`It replaced v${replaced_version}, which the history keeps.`] : []
  const next =
    merged || kept.length > 0
      ? 'read the text below before you edit the block again.'
      : overwrote.length > 0
        ? `put back what should stay with memory_insert, or ask an operator to restore v${replaced_version}.`
        : null
  const differs = merged === true || kept.length > 0
  return { effect, may, lists, next, showsText: differs, places: [], knowsText: !differs }
}
