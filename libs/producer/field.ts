import { z } from 'zod'
import type { ErrorCode } from '#domain/errors.js'
import { type IdPrefix, parseId } from '#domain/ids.js'
import { unstorable } from '#domain/text.js'

/** Fields of what callers send, over HTTP or as a job: the same text is refused by the same code. */

export const INTEGER = 'expected an integer'

export const UNSTORABLE = {
  nul_not_allowed: 'contains U+0000',
  lone_surrogate: 'contains half of a surrogate pair',
} as const

/** A string that can be stored: no NUL, no lone surrogate. */
export function text() {
  return z.string().superRefine((value, context) => {
    const code = unstorable(value)
    if (code) context.addIssue(customIssue(code, UNSTORABLE[code]))
  })
}

/** An integer in a range; without one, any that a double holds exactly. */
export function integer(range: { readonly min?: number; readonly max?: number } = {}) {
  return z
    .int({
      error: ({ code, input }) =>
        code === 'invalid_type' ? typeExpected(INTEGER, input) : undefined,
    })
    .min(range.min ?? Number.MIN_SAFE_INTEGER)
    .max(range.max ?? Number.MAX_SAFE_INTEGER)
}

/** The id of a resource, in lower case. */
export function id(prefix: IdPrefix) {
  return z.string().transform((value, context) => {
    const canonical = parseId(prefix, value)
    if (canonical !== null) return canonical
    context.addIssue(customIssue('invalid_id', `is not the id of a ${prefix}`))
    return z.NEVER
  })
}

/** A field that may be left out; null means the same, as in a PATCH of Letta's clients. */
export function absentOr<S extends z.ZodType>(schema: S) {
  return schema.nullish().transform((value) => value ?? undefined)
}

/** For `addIssue`: an issue that carries a code of ours. */
export function customIssue(code: ErrorCode, message: string) {
  return { code: 'custom' as const, message, params: { code } }
}

export function typeExpected(expected: string, input: unknown): string {
  return input === undefined ? `missing, ${expected}` : expected
}
