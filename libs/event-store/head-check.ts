import { length } from '#domain/text.js'
import { decoded, encoded } from './event-row.js'
import type { Finding, LogCheck } from './log-check.js'
import type { Queryable } from './stream-reader.js'

const HEADS_PAGE = 2_000

interface HeadRow {
  stream_id: string
  version: number
  hash: Buffer
  value: string | null
  length: number
}

/** Every head must be its stream's newest event, and its text what the events give. */
export async function checkHeads(
  client: Queryable,
  tenantId: string,
  check: LogCheck,
  onFinding: (finding: Finding) => void,
): Promise<void> {
  const found = (streamId: string, version: number, detail: string): void =>
    onFinding({ kind: 'head', index: null, position: null, streamId, version, detail })
  let after = ''
  for (;;) {
    const { rows } = await client.query<HeadRow>({
      name: 'verify-heads',
      text: `select stream_id, version, hash, value, length from streams
        where tenant_id = $1 and stream_id > $2 order by stream_id limit $3`,
      values: [tenantId, after, HEADS_PAGE],
    })
    for (const head of rows) {
      const wrong = headFault(head, check.tip(encoded(head.stream_id)))
      if (wrong) found(head.stream_id, head.version, `the head of ${head.stream_id} ${wrong}`)
      check.drop(encoded(head.stream_id))
    }
    if (rows.length < HEADS_PAGE) break
    after = rows.at(-1)?.stream_id as string
  }
  for (const id of check.streamIds()) {
    const streamId = decoded(id)
    found(streamId, check.tip(id)?.version ?? 0, `${streamId} has events, but no head`)
  }
}

/** One stream's head, as `checkHeads` judges it. */
export async function checkHead(
  client: Queryable,
  tenantId: string,
  streamId: string,
  check: LogCheck,
): Promise<string | null> {
  const { rows } = await client.query<HeadRow>(
    'select stream_id, version, hash, value, length from streams where tenant_id = $1 and stream_id = $2',
    [tenantId, streamId],
  )
  if (rows[0]) return headFault(rows[0], check.tip(encoded(streamId)))
  return check.tip(encoded(streamId)) ? 'is missing' : null
}

function headFault(head: HeadRow, tip: ReturnType<LogCheck['tip']>): string | null {
  if (!tip) return `says version ${head.version}, but there is no event of it`
  if (head.version !== tip.version) {
    return `says version ${head.version}; its newest event is version ${tip.version}`
  }
  if (head.hash.toString('latin1') !== tip.hash) return 'has not the hash of its newest event'
  if (tip.text === null) return null
  if (head.value !== null && head.value !== tip.text) return 'has not the text its events give'
  const points = length(tip.text)
  return head.length === points ? null : `says ${head.length} characters; its events give ${points}`
}
