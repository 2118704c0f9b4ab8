import { z } from 'zod'
import { absentOr, integer } from '../http/validation.js'

/** From where a run is to be told, and whether silences are kept with pings. */
export interface RunStreamRequest {
  /** A `seq_id`, exclusive; null: from its begin. */
  readonly startingAfter: number | null
  readonly pings: boolean
}

/** The body may be left out. How often the server is to look, which Letta lets a client say, is ignored. */
export const runStreamRequest = z
  .object({
    starting_after: absentOr(integer({ min: 0 })),
    include_pings: absentOr(z.boolean()),
  })
  .nullish()
  .transform(
    (body): RunStreamRequest => ({
      startingAfter: body?.starting_after ?? null,
      pings: body?.include_pings ?? true,
    }),
  )
