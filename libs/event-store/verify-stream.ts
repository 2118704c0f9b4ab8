import type { Pool } from 'pg'
import { encoded } from './event-row.js'
import { checkHead } from './head-check.js'
import { type Finding, LogCheck } from './log-check.js'
import { scanLog } from './log-scan.js'

/** What the verification of one stream found. */
export interface StreamVerification {
  /** Of its newest event; 0 when there is no such stream. */
  readonly version: number
  /** Its first bad place. */
  readonly first: Pick<Finding, 'kind' | 'version' | 'detail'> | null
}

/**
 * Checks one stream as it is at this moment: its chain from the first event, and its head. A chain
 * alone cannot tell that its own end was cut off: for that there are the checkpoints.
 */
export async function verifyStream(
  pool: Pool,
  tenantId: string,
  streamId: string,
): Promise<StreamVerification> {
  let first: Finding | null = null
  const onFinding = (finding: Finding): void => {
    first ??= finding
  }
  const check = new LogCheck({ tenantId, onFinding, texts: true })
  const client = await pool.connect()
  try {
    await client.query('begin isolation level repeatable read read only')
    for await (const window of scanLog(client, tenantId, { streamId })) {
      for (const event of window) check.check(event)
    }
    const version = check.tip(encoded(streamId))?.version ?? 0
    const wrong = await checkHead(client, tenantId, streamId, check)
    await client.query('commit')
    const head = wrong ? ({ kind: 'head', version, detail: `the head ${wrong}` } as const) : null
    return { version, first: first ?? head }
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  } finally {
    client.release()
  }
}
