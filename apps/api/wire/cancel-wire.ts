import { z } from 'zod'
import { parseId } from '#domain/ids.js'
import { absentOr, customIssue, text } from '../http/validation.js'

/** Runs an agent may be asked to give up at once. */
const RUNS_MAX = 100

const runId = text().transform((value, context) => {
  const id = parseId('run', value)
  if (id) return id
  context.addIssue(customIssue('invalid_id', 'expected the id of a run'))
  return z.NEVER
})

/** The body of a cancel call: nothing, or the runs it is about. */
export const cancelRequest = z
  .object({ run_ids: absentOr(z.array(runId).min(1).max(RUNS_MAX)) })
  .optional()
  .transform((body) => body ?? {})
export type CancelRequest = { readonly run_ids?: readonly string[] | undefined }
