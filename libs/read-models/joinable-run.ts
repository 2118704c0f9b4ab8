import type { Database } from '#postgres/database.js'

/** How long after its end a run still answers a client's implicit retry, in minutes. */
const JOINED_MINUTES = 10
/** How long after a failure the same request of an old client, which numbers no retries, is one: seconds. */
const BACKED_OFF_SECONDS = 10

/**
 * The run that an unmarked repetition of a request belongs to, or null: clients post the same turn
 * again after a time-out or an error, without any key.
 *
 * @param retry `numbered`: the client said that this is a retry; `suspected`: it may be one, which
 *   counts only right after a failure.
 */
export async function joinableRun(
  db: Database,
  tenantId: string,
  agentId: string,
  requestHash: string,
  retry: 'numbered' | 'suspected',
  now: Date,
): Promise<string | null> {
  const ago = (ms: number): Date => new Date(now.getTime() - ms)
  const row = await db
    .selectFrom('turns')
    .select('run_id')
    .where('tenant_id', '=', tenantId)
    .where('agent_id', '=', agentId)
    .where('request_hash', '=', requestHash)
    .where((or) =>
      retry === 'numbered'
        ? or.or([or('done_at', 'is', null), or('done_at', '>', ago(JOINED_MINUTES * 60_000))])
        : or.and([
            or('status', '=', 'failed'),
            or('done_at', '>', ago(BACKED_OFF_SECONDS * 1_000)),
          ]),
    )
    .orderBy('queued_at', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.run_id ?? null
}
