import type { BlockJudgement } from '#commands/block-judgement.js'
import type { ToolReturnText } from '#commands/run-tool-step.js'
import type {
  InsertReceipt,
  Receipt,
  ReplaceReceipt,
  RethinkReceipt,
} from '#domain/block-events.js'
import { echo, type Rejection } from '#domain/errors.js'
import { length } from '#domain/text.js'
import type { ToldChange } from '#domain/told-changes.js'

/** Code points of current text that a return shows in full; longer texts are left to the next prompt. */
const TEXT_SHOWN_MAX = 4_000
const CHANGES_SHOWN_MAX = 8
const NAME_LENGTH_MAX = 40

/**
 * What the model reads after a block tool: the stable code first, what happened and to which version,
 * what changed since it looked, the text it needs, and exactly one next action.
 */
export function blockReturn(tool: string, judgement: BlockJudgement): ToolReturnText {
  const { verdict, version, blockId } = judgement
  const news = unseenLines(judgement)
  if (!verdict.ok) {
    const { text, shown } = refused(tool, judgement, verdict.rejection, news)
    return {
      status: 'error',
      result: text,
      code: verdict.rejection.code,
      block: { block_id: blockId, version, changed: false },
      ...(shown ? { seen: { [blockId]: version } } : {}),
    }
  }
  const { changed, receipt } = verdict.changed
  const head = changed
    ? `applied ${tool} block=${judgement.label} version=${version}: ${effectOf(receipt)}`
    : `unchanged ${tool} block=${judgement.label} version=${version}: the text already is as you want it. Nothing left to do.`
  const shows = news.length > 0 && length(judgement.text) <= TEXT_SHOWN_MAX
  const result = [head, ...news, ...advice(receipt), ...(shows ? currentText(judgement) : [])].join(
    '\n',
  )
  const told = judgement.unseen.length === 0 || shows
  return {
    status: 'success',
    result,
    block: { block_id: blockId, version, changed },
    ...(told && judgement.baseVersion !== null ? { seen: { [blockId]: version } } : {}),
  }
}

function effectOf(receipt: Receipt | null): string {
  if (receipt && 'placed' in receipt) return inserted(receipt)
  if (receipt && 'matched' in receipt) return replaced(receipt)
  return 'your text is now the whole block.'
}

function inserted({ placed, line, lines }: InsertReceipt): string {
  const count = lines === 1 ? '1 line' : `${lines} lines`
  return placed === 'end'
    ? `${count} added at the end (line ${line}).`
    : `${count} added as line ${line}.`
}

function replaced({ places, line }: ReplaceReceipt): string {
  return places === 1
    ? `replaced in line ${line}.`
    : `replaced in ${places} places, the first in line ${line}.`
}

function advice(receipt: Receipt | null): string[] {
  if (!receipt || !('overwrote' in receipt)) return []
  const { overwrote, replaced_version }: RethinkReceipt = receipt
  if (overwrote.length === 0) return []
  return [
    `Your text replaced ${overwrote.length === 1 ? 'a change' : `${overwrote.length} changes`} you had not seen; the history keeps them.`,
    `Next: put back what should stay with memory_insert, or ask an operator to restore v${replaced_version}.`,
  ]
}

function unseenLines({ unseen, baseVersion }: BlockJudgement): string[] {
  if (unseen.length === 0 || baseVersion === null) return []
  const shown = unseen.slice(-CHANGES_SHOWN_MAX)
  const more = unseen.length - shown.length
  const list = shown.map(describe).join('; ')
  return [
    `You had seen v${baseVersion}. Since then: ${more > 0 ? `${more} earlier changes; ` : ''}${list}.`,
  ]
}

const VERBS: Readonly<Record<string, string>> = {
  TextInserted: 'added text',
  TextReplaced: 'replaced text',
  BlockRethought: 'rewrote the block',
}

function describe({ version, actor, type }: ToldChange): string {
  return `v${version} ${echo(actor.name ?? actor.id, NAME_LENGTH_MAX)} ${VERBS[type] ?? 'changed the block'}`
}

/** The one next action for each refusal. */
const NEXT: Readonly<Record<string, string>> = {
  block_read_only: 'do not try again; tell the user what you would have changed.',
  replace_no_match:
    'repeat with old_string copied exactly from the text below, or stop if it already says what you want.',
  replace_ambiguous: 'repeat with a longer old_string that occurs only once.',
  line_out_of_range:
    'repeat with a line in that range, or leave insert_line out to add at the end.',
  limit_exceeded: 'shorten your text, or first remove something from the block.',
  empty_text: 'repeat with a text.',
  line_number_prefix: 'repeat without the line numbers.',
  line_number_banner: 'repeat without the warning about line numbers.',
  agent_not_attached: 'do not try again; tell the user that the block is no longer attached.',
  gone: 'do not try again; tell the user that the block was deleted.',
}

const SHOWS_TEXT: ReadonlySet<string> = new Set([
  'replace_no_match',
  'replace_ambiguous',
  'line_out_of_range',
])

function refused(
  tool: string,
  judgement: BlockJudgement,
  rejection: Rejection,
  news: readonly string[],
): { text: string; shown: boolean } {
  const { label, version } = judgement
  const shown = SHOWS_TEXT.has(rejection.code) && length(judgement.text) <= TEXT_SHOWN_MAX
  const room =
    typeof rejection.facts.left === 'number' ? [`${rejection.facts.left} characters are left.`] : []
  const text = [
    `rejected ${rejection.code} ${tool} block=${label} version=${version}. Nothing was changed.`,
    rejection.detail,
    ...room,
    ...news,
    `Next: ${NEXT[rejection.code] ?? 'read the block before you edit it again.'}`,
    ...(shown ? currentText(judgement) : []),
  ].join('\n')
  return { text, shown }
}

function currentText({ version, text }: BlockJudgement): string[] {
  return [`--- current text (v${version}) ---`, text]
}
