import type { PoolClient } from 'pg'
import type { SignedCheckpoint } from './checkpoint.js'
import { checkpointUpTo, type StoredCheckpoint } from './checkpoint-table.js'
import { type ExportHeader, eventLine, headerLine, manifestLine } from './export-line.js'
import { scanLog } from './log-scan.js'
import { Frontier } from './merkle.js'
import { proveInclusion, treeUpTo } from './proofs.js'

export interface ExportOptions {
  readonly tenantId: string
  /** Only this stream, from its beginning. */
  readonly streamId?: string
  /** Goes on after this position, exclusive; the lines may be appended to those written before. */
  readonly after?: number
  /** Inclusive: nothing up to here may still be under way. */
  readonly upTo: number
  readonly onProgress?: (done: { readonly events: number; readonly share: number }) => void
}

/**
 * A log as JSON lines, in pieces of many: a header, an event each in the order of the log, and a
 * manifest. Everything that is needed to verify it without the database, but for the public key.
 *
 * @param client its own connection.
 */
export async function* exportLog(
  client: PoolClient,
  options: ExportOptions,
): AsyncGenerator<string, void, undefined> {
  const { tenantId, streamId = null, upTo } = options
  const after = streamId === null ? (options.after ?? 0) : 0
  const nearest = await checkpointUpTo(client, tenantId, { position: after })
  const tree = streamId ? Frontier.empty() : await treeUpTo(client, tenantId, nearest, after)
  const checkpoint = await checkpointUpTo(client, tenantId, { position: upTo })
  const start = { size: tree.size, peaks: tree.peaks() }
  const inclusion = streamId && checkpoint && (await inclusionOf(client, checkpoint, streamId))
  const covers = checkpoint !== null && (checkpoint.size > start.size || streamId !== null)
  const signed: SignedCheckpoint | null = covers ? checkpoint : null
  const header: ExportHeader = {
    tenantId,
    streamId,
    after,
    start,
    checkpoint: signed,
    inclusion: inclusion || null,
  }
  yield headerLine(header)
  let first: number | null = null
  let last: number | null = null
  let events = 0
  const scan = streamId ? { upTo, streamId } : { upTo, after }
  for await (const window of scanLog(client, tenantId, scan)) {
    for (const event of window) tree.append(event.hash)
    events += window.length
    first ??= window[0]?.position ?? null
    last = window.at(-1)?.position ?? last
    yield window.map((event) => eventLine(tenantId, event)).join('')
    options.onProgress?.({ events, share: (last ?? upTo) / upTo })
  }
  yield manifestLine({
    tenantId,
    events,
    firstPosition: first,
    lastPosition: last,
    size: tree.size,
    root: tree.root(),
    keyId: signed?.keyId ?? null,
  })
}

/** The newest event of the stream that the checkpoint covers: its chain leads to every one before. */
async function inclusionOf(
  client: PoolClient,
  checkpoint: StoredCheckpoint,
  streamId: string,
): Promise<ExportHeader['inclusion']> {
  const { rows } = await client.query<{ version: number; position: string }>(
    `select version, position from events where tenant_id = $1 and stream_id = $2 and position <= $3
      order by version desc limit 1`,
    [checkpoint.tenantId, streamId, checkpoint.position],
  )
  const [newest] = rows
  const proof = newest && (await proveInclusion(client, checkpoint, Number(newest.position)))
  return proof ? { version: newest.version, index: proof.index, proof: proof.proof } : null
}
