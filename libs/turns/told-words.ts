import { type BlockJudgement, QUOTED_LENGTH_MAX } from '#commands/block-judgement.js'
import type { Actor } from '#domain/actor.js'
import { echo } from '#domain/errors.js'
import { length } from '#domain/text.js'
import type { ToldChange, ToldEdit } from '#domain/told-changes.js'

const NAME_LENGTH_MAX = 40
const LABEL_LENGTH_MAX = 100
/** Whatever ends a line somewhere, or is not seen at all. A tab is neither. */
const LINE_BREAKING = /(?!\t)[\p{Cc}\p{Zl}\p{Zp}]/gu
const BEYOND_JSON = /[\u007f-\u009f\p{Zl}\p{Zp}]/gu

/** A text that stands in a line of its own words: it stays one line, and is otherwise as it is. */
export function oneLine(text: string): string {
  return text.replaceAll(LINE_BREAKING, (mark) =>
    JSON.stringify(mark).slice(1, -1).replaceAll(BEYOND_JSON, escaped),
  )
}

/** A text in quotes, as JSON has it: always one line, and it can be read back exactly. */
export function quote(text: string): string {
  return JSON.stringify(text).replaceAll(BEYOND_JSON, escaped)
}

function escaped(mark: string): string {
  return `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`
}

export function nameOf(actor: Actor): string {
  return short(actor.name ?? actor.id, NAME_LENGTH_MAX)
}

/** A label as it was written; only one that is none is cut. */
export function labelled(label: string): string {
  return short(label, LABEL_LENGTH_MAX)
}

/** A text on one line, in at most `max` code points. */
export function short(text: string, max: number): string {
  return echo(oneLine(text), max)
}

/** Changes that the model has not seen, and what is said before and after them. */
export interface ChangeList {
  readonly intro: string
  /** The newest of them, oldest first. */
  readonly changes: readonly ToldChange[]
  /** How many there are in all. */
  readonly count: number
  readonly outro?: string
}

/** What others did since the model looked, where anybody knows when that was. */
export function unseenList(
  { baseVersion, unseen, unseenCount, forgotten }: BlockJudgement,
  of = '',
): ChangeList[] {
  if (baseVersion === null || unseenCount === 0) return []
  const far = forgotten ? ', too long ago to count every change' : ''
  const intro = `You had seen v${baseVersion}${of}${far}. Since then:`
  return [{ intro, changes: unseen, count: unseenCount }]
}

/** From every word to a bare number: code points of each quote, and how many changes are named. */
const LEVELS: readonly (readonly [quotedMax: number, named: number])[] = [
  [QUOTED_LENGTH_MAX, Number.POSITIVE_INFINITY],
  [60, Number.POSITIVE_INFINITY],
  [24, Number.POSITIVE_INFINITY],
  [0, Number.POSITIVE_INFINITY],
  [0, 2],
  [0, 0],
]

/**
 * The lists in at most `room` code points, one line each: first quotes are shortened, then dropped, then
 * older changes are only counted.
 *
 * @returns `complete`: each change is there with every word of it.
 */
export function tellLists(
  lists: readonly ChangeList[],
  room: number,
): { readonly lines: readonly string[]; readonly complete: boolean } {
  for (const [level, [quotedMax, named]] of LEVELS.entries()) {
    const lines = lists.map((list) => tellList(list, quotedMax, named))
    const size = lines.reduce((sum, line) => sum + length(line) + 1, 0)
    if (size <= room) return { lines, complete: level === 0 && lists.every(isWhole) }
  }
  return { lines: [], complete: lists.length === 0 }
}

function tellList(
  { intro, changes, count, outro }: ChangeList,
  quotedMax: number,
  named: number,
): string {
  const told = named === 0 ? [] : changes.slice(-Math.min(named, changes.length))
  const rest = count - told.length
  const earlier = rest === 1 ? '1 earlier change' : `${rest} earlier changes`
  const all = [...(rest > 0 ? [earlier] : []), ...told.map((change) => tell(change, quotedMax))]
  return `${intro} ${all.join('; ')}.${outro ? ` ${outro}` : ''}`
}

function isWhole({ changes, count }: ChangeList): boolean {
  return (
    count === changes.length &&
    changes.every(
      ({ edits, more }) =>
        more === 0 && edits.every(({ removed, added }) => !isCut(removed) && !isCut(added)),
    )
  )
}

/** A quote that was shortened is longer than the bound, by its ellipsis. */
function isCut(quoted: string): boolean {
  return length(quoted) > QUOTED_LENGTH_MAX
}

/** Edits that are more than their splices. */
const WHOLE: Readonly<Record<string, string>> = {
  BlockRethought: 'rewrote the block',
  BlockRestored: 'went back to an older text',
  EditReverted: 'undid an edit',
}

function tell({ version, actor, type, edits, more }: ToldChange, quotedMax: number): string {
  const who = `v${version} ${nameOf(actor)}`
  const what = WHOLE[type]
  if (what && quotedMax === 0) return `${who} ${what}`
  const parts = edits.map((edit) => tellEdit(edit, type, quotedMax))
  if (more > 0) parts.push(`${more} more ${more === 1 ? 'edit' : 'edits'}`)
  if (parts.length === 0) return `${who} ${what ?? 'changed the text'}`
  return what ? `${who} ${what}: ${parts.join(', ')}` : `${who} ${parts.join(', ')}`
}

function tellEdit({ line, removed, added }: ToldEdit, type: string, quotedMax: number): string {
  const [verb, words] =
    removed === ''
      ? [type === 'TextInserted' ? 'added' : 'added in', [added]]
      : added === ''
        ? ['removed in', [removed]]
        : ['replaced', [removed, added]]
  const place = `${verb} line ${line}`
  if (quotedMax === 0) return place
  return `${place}: ${words.map((text) => quote(echo(text, quotedMax))).join(' -> ')}`
}
