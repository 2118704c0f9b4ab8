import { z } from 'zod'
import type { BlockCommand, Place } from '#domain/block-events.js'
import { absentOr, customIssue, integer, text } from '../http/validation.js'
import { baseVersion } from './block-wire.js'

/** The line that stands for the end of the text. */
const END = -1
const VERSION_MAX = 2_147_483_647

/** Edits in our own words: a field that is not known is refused, not ignored. */
export const insertionFields = {
  new_string: text(),
  insert_line: absentOr(integer()),
  after: absentOr(text()),
  unique_line: absentOr(z.boolean()),
  base_version: baseVersion,
}
export const insertion = z.strictObject(insertionFields).superRefine(onePlace)
export type Insertion = z.output<typeof insertion>

/** A line is named by its number or by its text. */
export function onePlace(
  {
    insert_line,
    after,
  }: { readonly insert_line?: number | undefined; readonly after?: string | undefined },
  context: z.RefinementCtx,
): void {
  if (insert_line === undefined || after === undefined) return
  const issue = customIssue('invalid_argument', 'name a line by insert_line or by after, not both')
  context.addIssue({ ...issue, path: ['after'] })
}

export function insertCommand(body: Insertion): BlockCommand {
  const { new_string, insert_line: line = END, after, unique_line: unique = false } = body
  const place: Place =
    after !== undefined
      ? { at: 'after', anchor: after }
      : line === END
        ? { at: 'end' }
        : { at: 'line', line }
  return { type: 'InsertText', text: new_string, place, unique, numbered: true }
}

export const replacement = z.strictObject({
  old_string: text(),
  new_string: text(),
  all: absentOr(z.boolean()),
  base_version: baseVersion,
})
export type Replacement = z.output<typeof replacement>

export function replaceCommand(body: Replacement): BlockCommand {
  const { old_string: old, new_string, all = false } = body
  return { type: 'ReplaceText', old, new: new_string, all, numbered: true }
}

export const rewrite = z.strictObject({ new_memory: text(), base_version: baseVersion })
export type Rewrite = z.output<typeof rewrite>

export function rethinkCommand({ new_memory }: Rewrite): BlockCommand {
  return { type: 'RethinkBlock', text: new_memory, numbered: true }
}

/** The version of an edit to be undone, or of a text to be gone back to. */
export const reversal = z.strictObject({
  version: integer({ min: 1, max: VERSION_MAX }),
  base_version: baseVersion,
})
export type Reversal = z.output<typeof reversal>

interface WouldBe {
  readonly streamId: string
  readonly version: number
  readonly type: string
  readonly payload: object
}

/** What would be written: the events as they would be appended, and nothing is. */
export function renderDryRun(
  {
    version,
    changed,
    ...rest
  }: { readonly version: number; readonly changed: boolean; readonly receipt?: unknown },
  events: readonly WouldBe[],
) {
  const receipt = rest.receipt ?? null
  return { dry_run: true, version, changed, receipt, events: renderEvents(events) }
}

export function renderEvents(events: readonly WouldBe[]) {
  return events.map(({ streamId, version, type, payload }) => {
    return { stream_id: streamId, version, type, payload }
  })
}
