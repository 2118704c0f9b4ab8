import type { ErrorEntry } from './error-entry.js'
import { ERROR_TABLE } from './error-table.js'

/** The closed list of codes: the thing callers switch on. A code, once published, keeps its meaning. */
export type ErrorCode = keyof typeof ERROR_TABLE

export const ERRORS: Readonly<Record<ErrorCode, ErrorEntry>> = ERROR_TABLE

/** A refused command: nothing was changed. */
export interface Rejection {
  readonly code: ErrorCode
  /** One sentence for people and models; it names the thing and what is wrong with it. */
  readonly detail: string
  /** What a program needs to recover, snake_case. */
  readonly facts: Readonly<Record<string, unknown>>
  /** The one next action, where something better is known than the table's. */
  readonly hint?: string
  /** The version of the block the command was judged against. */
  readonly atVersion?: number
}

/**
 * @example rejection('label_taken', 'Agent a already has a block with the label b', { label: 'b' })
 */
export function rejection(
  code: ErrorCode,
  detail: string,
  facts: Readonly<Record<string, unknown>> = {},
  more: { readonly hint?: string; readonly atVersion?: number } = {},
): Rejection {
  return { code, detail, facts, ...more }
}

export function isErrorCode(text: unknown): text is ErrorCode {
  return typeof text === 'string' && Object.hasOwn(ERROR_TABLE, text)
}

/** `replace_no_match` -> `replace-no-match`, the last segment of the page that explains the code. */
export function errorSlug(code: ErrorCode): string {
  return code.replaceAll('_', '-')
}

/** What to do next: with the numbers of this case when the facts hold them, else the table's sentence. */
export function hintFor(code: ErrorCode, facts: Readonly<Record<string, unknown>> = {}): string {
  if (code === 'limit_exceeded' && typeof facts.over_by === 'number') {
    const characters = facts.over_by === 1 ? '1 character' : `${facts.over_by} characters`
    return `Shorten the text by ${characters} or raise the limit of the block.`
  }
  if (code === 'version_conflict' && typeof facts.actual === 'number') {
    return `Read the block, apply your change to version ${facts.actual} and send it with the new ETag.`
  }
  return ERRORS[code].hint
}

/** Most code points of a caller's text that an error says back. */
export const ECHO_LENGTH_MAX = 200

/** A caller's text as an error may repeat it: at most `max` code points, an ellipsis where it was cut. */
export function echo(text: string, max = ECHO_LENGTH_MAX): string {
  if (text.length <= max) return text
  // Twice as many UTF-16 units hold `max` code points for certain, whatever the rest weighs.
  const points = Array.from(text.slice(0, 2 * max + 2))
  return points.length <= max ? text : `${points.slice(0, max).join('')}…`
}
