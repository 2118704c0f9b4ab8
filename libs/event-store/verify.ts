import type { Pool, PoolClient } from 'pg'
import type { OutsideCheckpoint, PublicKeys, SignedCheckpoint } from './checkpoint.js'
import { CheckpointCheck } from './checkpoint-check.js'
import { listCheckpoints, newestCheckpoint } from './checkpoint-table.js'
import { Findings } from './findings.js'
import { checkHeads } from './head-check.js'
import { type Finding, LogCheck } from './log-check.js'
import { scanWindows } from './log-scan.js'
import { ThreadCheck } from './thread-check.js'

export interface VerifyOptions {
  readonly tenantId: string
  readonly keys: PublicKeys
  /** The copy of the checkpoints that is kept outside the database, by size. */
  readonly outside: AsyncIterable<OutsideCheckpoint> | Iterable<OutsideCheckpoint>
  /** Of the log's positions, after each window. */
  readonly onProgress?: (done: { readonly events: number; readonly share: number }) => void
  readonly signal?: AbortSignal
}

/** What a verification found. */
export interface Verification {
  readonly ok: boolean
  readonly events: number
  readonly streams: number
  /** Checkpoints that hold, and how many events the newest of them covers. */
  readonly checkpoints: number
  readonly covered: number
  /** Of the Merkle tree over all events. */
  readonly root: Buffer
  /** The first of them in the order of the log, the others up to a limit. */
  readonly findings: readonly Finding[]
  /** How many there are in all. */
  readonly found: number
}

const COMMANDS_MAX = 100
const CHECKPOINTS_PAGE = 500

/**
 * Reads a tenant's whole log as it is at this moment, beside writers and without holding them up, and
 * checks everything that can be checked: each payload and header against its hash, each stream's chain,
 * the heads and their texts, that no command was carried out twice, and the signed checkpoints, both
 * those in the database and the copy outside.
 *
 * @param pool with a time limit that suits reading everything.
 */
export async function verifyLog(pool: Pool, options: VerifyOptions): Promise<Verification> {
  const { tenantId, keys, outside } = options
  const findings = new Findings()
  const onFinding = (finding: Finding): void => findings.add(finding)
  const check = new LogCheck({ tenantId, onFinding, texts: true })
  // First the checkpoints, then the snapshot: it holds every event that any of them covers.
  const signed = await CheckpointCheck.open({
    stored: storedCheckpoints(pool, tenantId),
    outside,
    keys,
    onFinding,
  })
  const client = await pool.connect()
  try {
    await client.query('begin isolation level repeatable read read only')
    await readEvents(client, options, check, signed)
    const { size: events } = check.tree
    const { streams } = check
    await checkHeads(client, tenantId, check, onFinding)
    await checkCommands(client, tenantId, onFinding)
    await client.query('commit')
    return {
      ok: findings.found === 0,
      events,
      streams,
      checkpoints: signed.count,
      covered: signed.covered,
      root: check.tree.root(),
      findings: findings.inOrder(),
      found: findings.found,
    }
  } finally {
    client.release(true)
  }
}

async function readEvents(
  client: PoolClient,
  { tenantId, onProgress, signal }: VerifyOptions,
  check: LogCheck,
  signed: CheckpointCheck,
): Promise<void> {
  const { rows } = await client.query<{ last: string | null }>(
    'select max(position) as last from events where tenant_id = $1',
    [tenantId],
  )
  const last = Number(rows[0]?.last ?? 0)
  const thread = new ThreadCheck(tenantId)
  try {
    for await (const window of thread.all(scanWindows(client, tenantId))) {
      signal?.throwIfAborted()
      for (const event of window) {
        signed.see(event, check.tree.size)
        check.follow(event)
        if (check.tree.size === signed.due) await signed.reach(check.tree, check.position)
      }
      onProgress?.({ events: check.tree.size, share: check.position / last })
    }
  } finally {
    await thread.close()
  }
  await signed.end(check.tree, check.position)
}

/** A caller's command was carried out once: at one time, up to the version its result names. */
async function checkCommands(
  client: PoolClient,
  tenantId: string,
  onFinding: (finding: Finding) => void,
): Promise<void> {
  // There is no index over the events' command ids, and before the first statistics a nested loop looks cheap.
  await client.query('set local enable_nestloop = off')
  const { rows } = await client.query<{ command_id: string; position: string; stream_id: string }>(
    `select e.command_id, max(e.position) as position, max(r.stream_id) as stream_id
       from command_results r join events e using (tenant_id, command_id)
      where r.tenant_id = $1 and r.verdict = 'ok'
      group by e.command_id
     having min(e.recorded_at) <> max(e.recorded_at)
         or max(e.version) filter (where e.stream_id = r.stream_id) <> max(r.version)
      order by position limit $2`,
    [tenantId, COMMANDS_MAX],
  )
  for (const { command_id, position, stream_id: streamId } of rows) {
    const detail = `the command ${command_id} was carried out more than once`
    const place = { index: null, position: Number(position), streamId, version: null }
    onFinding({ kind: 'command', ...place, detail })
  }
}

async function* storedCheckpoints(
  pool: Pool,
  tenantId: string,
): AsyncGenerator<SignedCheckpoint, void, undefined> {
  const newest = (await newestCheckpoint(pool, tenantId))?.size ?? 0
  for (let after = 0; after < newest; ) {
    const page = { after, limit: CHECKPOINTS_PAGE, order: 'asc' } as const
    const checkpoints = await listCheckpoints(pool, tenantId, page)
    if (checkpoints.length === 0) return
    yield* checkpoints.filter(({ size }) => size <= newest)
    after = checkpoints.at(-1)?.size as number
  }
}
