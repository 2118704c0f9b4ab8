import { z } from 'zod'
import { length } from '#domain/text.js'
import { absentOr, customIssue, text } from '../http/validation.js'

/** Code points of one message. */
export const MESSAGE_LENGTH_MAX = 100_000

const part = z.looseObject({ type: text(), text: absentOr(text()) }).transform((value, context) => {
  if (value.type === 'text' && value.text !== undefined) {
    return { type: 'text', text: value.text }
  }
  const message =
    value.type === 'text'
      ? 'a text part needs its text'
      : value.type === 'image'
        ? 'images are not supported: send text parts'
        : 'only text parts are supported'
  context.addIssue(customIssue('invalid_argument', message))
  return z.NEVER
})

/** Text, or parts; as long as one message may be. */
export const textContent = z.union([text(), z.array(part).min(1)]).superRefine((value, context) => {
  const parts = typeof value === 'string' ? [value] : value.map((p) => p.text)
  if (parts.reduce((sum, p) => sum + length(p), 0) <= MESSAGE_LENGTH_MAX) return
  const message = `longer than ${MESSAGE_LENGTH_MAX} characters`
  context.addIssue(customIssue('message_too_long', message))
})
