import { z } from 'zod'
import { Problem } from '../http/problem.js'
import type { QueryReader } from '../http/query.js'
import { absentOr } from '../http/validation.js'

/** `body_requires_approval` is what the 1.x client for JavaScript sends. */
export const toolApproval = z
  .object({
    requires_approval: absentOr(z.boolean()),
    body_requires_approval: absentOr(z.boolean()),
  })
  .optional()
export type ToolApprovalBody = z.output<typeof toolApproval>

/**
 * The flag, in whichever way it was sent: clients before 1.0 send it in the query.
 *
 * @throws Problem invalid_argument when it is missing, or sent in two ways that contradict each other
 */
export function requiresApproval(body: ToolApprovalBody, query: QueryReader): boolean {
  const sent = [
    body?.requires_approval,
    body?.body_requires_approval,
    query.flag('requires_approval'),
  ].filter((flag) => flag !== undefined)
  const [flag, ...others] = new Set(sent)
  if (flag !== undefined && others.length === 0) return flag
  const message =
    flag === undefined ? 'missing, expected true or false' : 'sent twice, true and false'
  throw new Problem('invalid_argument', `1 field is not valid: /requires_approval: ${message}`, {
    errors: [{ pointer: '/requires_approval', code: 'invalid_argument', message }],
  })
}
