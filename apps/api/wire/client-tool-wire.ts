import { z } from 'zod'
import type { ClientTool } from '#domain/turn-events.js'
import { absentOr, customIssue, jsonObject, text } from '../http/validation.js'

const TOOLS_MAX = 128
/** What providers take as the name of a function. */
const NAME = /^[a-zA-Z0-9_-]{1,64}$/

const clientTool = z
  .object({
    name: text().superRefine((value, context) => {
      if (NAME.test(value)) return
      const message = 'expected 1 to 64 letters, digits, _ or -'
      context.addIssue(customIssue('invalid_argument', message))
    }),
    description: absentOr(text()),
    parameters: absentOr(jsonObject()),
  })
  .transform(
    ({ name, description = '', parameters = { type: 'object', properties: {} } }): ClientTool => ({
      name,
      description,
      parameters,
    }),
  )

/** Tools that the caller of a message runs itself, each under a name of its own. */
export const clientTools = absentOr(
  z
    .array(clientTool)
    .max(TOOLS_MAX)
    .superRefine((tools, context) => {
      const twice = tools.findIndex(
        ({ name }, i) => tools.findIndex((tool) => tool.name === name) < i,
      )
      if (twice < 0) return
      const issue = customIssue('invalid_argument', 'another tool has this name')
      context.addIssue({ ...issue, path: [twice, 'name'] })
    }),
)
