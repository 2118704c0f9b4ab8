import type { BlamePage } from '#read-models/blame.js'
import type { Compared, DiffHunk } from '#read-models/diff.js'
import type { HistoryPage } from '#read-models/history.js'
import type { RejectionCursor, RejectionPage } from '#read-models/rejections.js'
import type { Writer } from '#read-models/writers.js'
import { invalidCursor } from '../http/query.js'
import { wireTime } from './time-wire.js'

const VERSION_MAX = 2_147_483_647

/** History as a native list: the cursor is the version of the last entry. */
export function renderHistory({ entries, hasMore }: HistoryPage) {
  const data = entries.map(timed)
  return listed(data, hasMore, String(entries.at(-1)?.version))
}

/** Blame as a native list: the cursor is the version and the place of its text where the next page begins. */
export function renderBlame(blockId: string, { version, spans, hasMore }: BlamePage) {
  const list = listed(spans.map(timed), hasMore, `${version}.${spans.at(-1)?.end}`)
  return { ...list, block_id: blockId, version }
}

/** The hunks of two versions, in the order of the text. */
export function renderDiff(blockId: string, { from, to }: Compared, hunks: readonly DiffHunk[]) {
  const data = hunks.map(({ authors, removed_by, ...hunk }) => {
    return { ...hunk, authors: authors.map(named), removed_by: removed_by.map(named) }
  })
  return { object: 'list', block_id: blockId, from: from.version, to: to.version, data }
}

function named({ version, type, actor, run_id }: Writer) {
  return { version, type, actor, run_id }
}

/** Refused commands as a native list, newest first. */
export function renderRejections({ rejections, hasMore }: RejectionPage) {
  const last = rejections.at(-1)
  return listed(rejections.map(timed), hasMore, last ? cursorOf(last) : '')
}

function listed(data: readonly object[], hasMore: boolean, cursor: string) {
  return { object: 'list', data, has_more: hasMore, next_cursor: hasMore ? cursor : null }
}

function timed<Entry extends { readonly at: string }>(entry: Entry): Entry {
  return { ...entry, at: wireTime(new Date(entry.at)) }
}

/** @throws Problem invalid_cursor */
export function versionCursor(text: string | undefined): number | null {
  if (text === undefined) return null
  const version = wholeNumber(text)
  if (version !== null) return version
  throw invalidCursor(text)
}

/** @throws Problem invalid_cursor */
export function blameCursor(text: string | undefined): { version: number; from: number } | null {
  if (text === undefined) return null
  const [version, from, ...more] = text.split('.').map(wholeNumber)
  if (version && from && more.length === 0) return { version, from }
  throw invalidCursor(text)
}

/** The time in milliseconds, and the command's id as it was shown. */
function cursorOf({
  at,
  command_id,
}: {
  readonly at: string
  readonly command_id: string
}): string {
  return `${Date.parse(at)}.${command_id}`
}

/** @throws Problem invalid_cursor */
export function rejectionCursor(text: string | undefined): RejectionCursor | null {
  if (text === undefined) return null
  const [, ms, commandId] = /^(\d{1,13})\.([\w/-]{1,100})$/.exec(text) ?? []
  if (ms === undefined || commandId === undefined) throw invalidCursor(text)
  return { at: new Date(Number(ms)).toISOString(), commandId }
}

function wholeNumber(text: string): number | null {
  const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  return number <= VERSION_MAX ? number : null
}
