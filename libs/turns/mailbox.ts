import type { Queryable } from '#event-store/stream-reader.js'
import { UNFLUSHED } from '#postgres/database.js'
import type { UnattendedMailbox } from './ports.js'

/** Seconds a worker is trusted without a sign of life; renewed every 3 s. By the database's clock. */
export const LEASE_SECONDS = 10
export const LEASE_RENEWAL_MS = 3_000

export interface Claim {
  readonly tenantId: string
  readonly agentId: string
  /** The worker that has it. */
  readonly owner: string
  readonly epoch: number
}

/** A mailbox just claimed, with what was seen in it. */
export interface ClaimedMailbox {
  readonly claim: Claim
  /** How many turns had not ended. */
  readonly pending: number
  /** The oldest of them; null where it came too late to be seen. */
  readonly next: WaitingTurn | null
}

export interface WaitingTurn {
  readonly runId: string
  readonly seq: number
  /** Nobody has begun with it. */
  readonly isNew: boolean
}

/**
 * Names a ring: those for one mailbox and epoch are one job as long as it waits, whoever rings and however
 * often. One whose worker died before it claimed is in the way of the next for so long at most.
 */
export const RING_SECOND = `(floor(extract(epoch from clock_timestamp()) / 5) * 5)::bigint`

/** Some other transaction holds the row for longer than a claim waits. */
const LOCK_NOT_AVAILABLE = '55P03'

/** The living are read once, not for each mailbox. */
const OWNER_IS_GONE = `(m.owner is null or m.owner <> all (array(
      select w.worker_id from workers w where w.lease_until > clock_timestamp())))`

/** Something waits there, it is time, and no other living worker ($3 is this one) has it. */
const IS_FREE = `m.pending > 0 and (m.not_before is null or m.not_before <= clock_timestamp())
                and (m.owner = $3 or ${OWNER_IS_GONE})`

/** Of the agent `a`. */
const OLDEST_TURN = `select run_id, seq, status from turns
               where tenant_id = $1 and agent_id = a.agent_id and status in ('queued', 'running', 'parked')
               order by seq limit 1`

interface TurnColumns {
  run_id: string
  seq: string
  status: string
}

type ClaimRow = { agent_id: string; epoch: string; pending: number } & (
  | TurnColumns
  | { run_id: null }
)

/**
 * Takes agents' mailboxes: their epochs rise, so whoever had one before writes nothing more to it. What this worker
 * owns itself it may take again: the caller knows whether it is at it.
 *
 * A claim that a crash of the server takes back has written nothing: what is written under it is flushed behind it. Nor
 * will it, even if another worker gets the same epoch: its owner does not stand there any more.
 *
 * @returns by agent the mailbox, or null: nothing waits there, it is not time yet, or another living worker has it.
 */
export async function claimMailboxes(
  db: Queryable,
  tenantId: string,
  agentIds: readonly string[],
  workerId: string,
): Promise<Map<string, ClaimedMailbox | null>> {
  const boxes = agentIds.length > 1 ? await claimUnlocked(db, tenantId, agentIds, workerId) : []
  const found = new Map<string, ClaimedMailbox | null>(boxes.map((box) => [box.claim.agentId, box]))
  const others = agentIds.filter((agentId) => !found.has(agentId))
  const waited = others.map((agentId) => claimMailbox(db, tenantId, agentId, workerId))
  for (const [n, box] of (await Promise.all(waited)).entries()) {
    found.set(others[n] as string, box)
  }
  return found
}

/** Those of many that nobody holds locked just now: who waited for several rows could be waited for. */
async function claimUnlocked(
  db: Queryable,
  tenantId: string,
  agentIds: readonly string[],
  workerId: string,
): Promise<ClaimedMailbox[]> {
  const { rows } = await db.query<ClaimRow>({
    name: 'claim-mailboxes',
    text: `with free as (
             select m.agent_id from mailboxes m
              where m.tenant_id = $1 and m.agent_id = any($2) and ${IS_FREE}
                for update skip locked),
           a as (
             update mailboxes m set epoch = m.epoch + 1, owner = $3, not_before = null
               from free where m.tenant_id = $1 and m.agent_id = free.agent_id
             returning m.agent_id, m.epoch, m.pending)
           select a.*, t.*, ${UNFLUSHED} from a left join lateral (${OLDEST_TURN}) t on true`,
    values: [tenantId, agentIds, workerId],
  })
  return rows.map((row) => claimed(tenantId, workerId, row))
}

/** A plain UPDATE that waits, since an intake holds this very row for the length of a commit. */
export async function claimMailbox(
  db: Queryable,
  tenantId: string,
  agentId: string,
  workerId: string,
): Promise<ClaimedMailbox | null> {
  try {
    const { rows } = await db.query<ClaimRow>({
      name: 'claim-mailbox',
      text: `with a as (
               update mailboxes m set epoch = m.epoch + 1, owner = $3, not_before = null
                where m.tenant_id = $1 and m.agent_id = $2 and ${IS_FREE}
               returning m.agent_id, m.epoch, m.pending)
             select a.*, t.*, ${UNFLUSHED} from a left join lateral (${OLDEST_TURN}) t on true`,
      values: [tenantId, agentId, workerId],
    })
    const row = rows[0]
    return row ? claimed(tenantId, workerId, row) : null
  } catch (error) {
    // The sweeper comes back to it.
    if ((error as { code?: unknown }).code === LOCK_NOT_AVAILABLE) return null
    throw error
  }
}

function claimed(tenantId: string, owner: string, row: ClaimRow): ClaimedMailbox {
  const { agent_id: agentId, epoch, pending } = row
  // Its lock may have been waited for: the statement sees turns as they were before.
  const next = row.run_id === null ? null : waitingTurn(row)
  return { claim: { tenantId, agentId, owner, epoch: Number(epoch) }, pending, next }
}

function waitingTurn({ run_id: runId, seq, status }: TurnColumns): WaitingTurn {
  return { runId, seq: Number(seq), isNew: status === 'queued' }
}

/** By this worker, under this claim. */
const IS_HELD = 'tenant_id = $1 and agent_id = $2 and owner = $3 and epoch = $4'

function holder({ tenantId, agentId, owner, epoch }: Claim): unknown[] {
  return [tenantId, agentId, owner, epoch]
}

/**
 * Gives the mailbox back if no turn waits there that has not ended; answers whether it did. If a crash of the
 * server takes that back, its owner finds it at its next look.
 */
export async function releaseEmpty(db: Queryable, claim: Claim): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'release-empty',
    text: `update mailboxes set owner = null, ready_at = clock_timestamp()
            where ${IS_HELD} and pending = 0
        returning ${UNFLUSHED}`,
    values: holder(claim),
  })
  return rowCount === 1
}

/**
 * Gives the mailbox back; nothing happens if somebody else has claimed it. Answers how many turns can be
 * gone on with at once: none while its oldest is parked.
 *
 * @param pauseMs nobody may claim it for so long: something is wrong there.
 */
export async function releaseMailbox(db: Queryable, claim: Claim, pauseMs = 0): Promise<number> {
  const { rows } = await db.query<{ pending: number }>({
    name: 'release-mailbox',
    text: `update mailboxes set owner = null, ready_at = clock_timestamp(),
                  not_before = case when $5 > 0
                    then clock_timestamp() + make_interval(secs => $5::float8 / 1000) else not_before end
            where ${IS_HELD}
        returning case when coalesce(not_before, '-infinity') <= clock_timestamp() then pending else 0 end
                  as pending, ${UNFLUSHED}`,
    values: [...holder(claim), pauseMs],
  })
  return rows[0]?.pending ?? 0
}

/** Of each agent the oldest turn that has not ended. */
export async function nextTurns(
  db: Queryable,
  tenantId: string,
  agentIds: readonly string[],
): Promise<Map<string, WaitingTurn | null>> {
  const { rows } = await db.query<TurnColumns & { agent_id: string }>({
    name: 'next-turns',
    text: `select a.agent_id, t.* from unnest($2::text[]) a(agent_id) cross join lateral (${OLDEST_TURN}) t`,
    values: [tenantId, agentIds],
  })
  const turns = rows.map((row) => [row.agent_id, waitingTurn(row)] as const)
  return new Map([...agentIds.map((id) => [id, null] as const), ...turns])
}

/** Takes the rows of workers away that died long ago; their mailboxes are free either way. */
export async function forgetDeadWorkers(db: Queryable): Promise<void> {
  await db.query(`delete from workers where lease_until < clock_timestamp() - interval '1 hour'`)
}

/**
 * Says that a worker lives, for the next 10 s.
 *
 * @param lockKey the lock it holds besides, as a bigint's text; who finds it free knows that the worker died.
 * @param places turns it runs at once; 0: it is dealt none of those a dead worker had.
 */
export async function renewLease(
  db: Queryable,
  workerId: string,
  lockKey: string | null = null,
  places = 0,
): Promise<void> {
  await db.query({
    name: 'renew-lease',
    text: `insert into workers (worker_id, lease_until, lock_key, places)
           values ($1, clock_timestamp() + make_interval(secs => $2), $3, $4)
      on conflict (worker_id) do update
         set lease_until = excluded.lease_until, lock_key = excluded.lock_key, places = excluded.places`,
    values: [workerId, LEASE_SECONDS, lockKey, places],
  })
}

/** Frees every mailbox of a worker at once. */
export async function endLease(db: Queryable, workerId: string): Promise<void> {
  await db.query('delete from workers where worker_id = $1', [workerId])
}

/**
 * Mailboxes where something waits and no other living worker is at it: to be rung for. The caller's own
 * are among them, since a claim or a release whose answer was lost leaves one behind.
 */
export async function abandonedMailboxes(
  db: Queryable,
  workerId: string,
  limit: number,
): Promise<UnattendedMailbox[]> {
  const { rows } = await db.query<{
    tenant_id: string
    agent_id: string
    epoch: string
    second: string
  }>({
    name: 'abandoned-mailboxes',
    text: `select m.tenant_id, m.agent_id, m.epoch, ${RING_SECOND} as second
             from mailboxes m
            where m.pending > 0 and m.ready_at < clock_timestamp() - interval '500 milliseconds'
              and (m.not_before is null or m.not_before <= clock_timestamp())
              and (m.owner = $1 or ${OWNER_IS_GONE})
            order by m.ready_at limit $2`,
    values: [workerId, limit],
  })
  return rows.map((row) => ({
    tenantId: row.tenant_id,
    agentId: row.agent_id,
    epoch: Number(row.epoch),
    second: Number(row.second),
  }))
}
