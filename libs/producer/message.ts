import type { z } from 'zod'
import { length } from '#domain/text.js'
import { customIssue, text } from './field.js'

/** Code points of one message. */
export const MESSAGE_LENGTH_MAX = 100_000
/** Messages of one turn. */
export const MESSAGES_MAX = 1_000
/** Model calls of one turn. */
export const STEPS_MAX = 1_000
/** Tokens of one turn that may be asked for. */
export const TOKENS_MAX = 1_000_000_000
/** A year. */
export const DEADLINE_MS_MAX = 31_536_000_000

/** Refuses a message that is longer than one may be, its parts taken together. */
export function withinLength(
  value: string | readonly { readonly text?: string | undefined }[],
  context: z.RefinementCtx,
): void {
  const parts = typeof value === 'string' ? [value] : value.map((part) => part.text ?? '')
  if (parts.reduce((sum, part) => sum + length(part), 0) <= MESSAGE_LENGTH_MAX) return
  const message = `longer than ${MESSAGE_LENGTH_MAX} characters`
  context.addIssue(customIssue('message_too_long', message))
}

/** A model's name with its provider in front: `openai/gpt-4o-mini`. */
export function handle() {
  return text().superRefine((value, context) => {
    if (/^[^/]+\/.+$/s.test(value)) return
    context.addIssue(customIssue('invalid_argument', 'expected provider/model'))
  })
}
