import type { Splice } from '#domain/text.js'

const STRING = '"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"'
const NUMBER = '(?:0|[1-9]\\d{0,14})'

/**
 * The payload of an edit with one splice as it is written: nothing else of it is made. It matches from
 * the first character to the last, so that what is read is what a parser of JSON would give.
 */
const EDIT = new RegExp(
  `^\\{"intent":\\{"(?:text|old)":${STRING},(?:` +
    `"place":\\{"at":(?:"end"|"line","line":${NUMBER})\\}|` +
    `"new":${STRING}(?:,"all":true)?|` +
    `"policy":"overwrite")\\},` +
    `"effect":\\[\\{"offset":(${NUMBER}),"delete":(${NUMBER}),"insert":(${STRING})` +
    `(\\}\\],(?:"receipt":\\{[^{}]*\\},)?"length":${NUMBER}\\})$`,
)

/** Of a payload that is matched: matching takes memory that grows with it. */
const LENGTH_MAX = 65_536

/** What an edit with one splice does; the insert by where its JSON stands in the payload. */
export interface EditPlace {
  readonly offset: number
  readonly delete: number
  readonly insertFrom: number
  readonly insertTo: number
}

/** @returns null where there is no such edit, or only a parser of JSON can tell. */
export function editPlace(payload: string): EditPlace | null {
  const edit = payload.length <= LENGTH_MAX && EDIT.exec(payload)
  if (!edit) return null
  const [, offset, count, insert, rest] = edit as unknown as string[] & { length: 5 }
  const insertTo = payload.length - (rest as string).length
  const insertFrom = insertTo - (insert as string).length
  return { offset: Number(offset), delete: Number(count), insertFrom, insertTo }
}

/**
 * What an event does to a text, from its payload's JSON: several times as fast as parsing all of it.
 *
 * @param decode what the payload's strings are to be read with, if they are no text yet.
 * @returns null where there is no effect.
 */
export function effectOf(
  payload: string,
  decode: (text: string) => string = asItIs,
): readonly Splice[] | null {
  const edit = editPlace(payload)
  if (!edit) {
    const { effect } = JSON.parse(decode(payload)) as { readonly effect?: unknown }
    return Array.isArray(effect) ? effect : null
  }
  // Parsed even where nothing is escaped: a part of the payload would keep all of it.
  const insert = JSON.parse(decode(payload.slice(edit.insertFrom, edit.insertTo))) as string
  return [{ offset: edit.offset, delete: edit.delete, insert }]
}

function asItIs(text: string): string {
  return text
}

const EDITS: ReadonlySet<string> = new Set([
  'TextInserted',
  'TextReplaced',
  'BlockRethought',
  'EditReverted',
  'BlockRestored',
])

/** A payload as folds take it: of an edit the effect is all that they look at. */
export function foldedPayload(
  type: string,
  payload: string,
  decode?: (text: string) => string,
): object {
  if (EDITS.has(type)) return { effect: effectOf(payload, decode) }
  return JSON.parse(decode ? decode(payload) : payload)
}
