import type { Queryable } from '#event-store/stream-reader.js'
import { RING_SECOND } from './mailbox.js'
import type { UnattendedMailbox } from './ports.js'

/** A worker as its row tells it. A lock's key is a bigint, as text. */
export interface SeenWorker {
  readonly workerId: string
  readonly lockKey: string | null
  /** Nobody holds the lock that the row names. */
  readonly free: boolean
}

/**
 * Every worker that lives under a lock, and the caller itself. A lock is tried for the length of this
 * statement, and shared: so lookers do not take each other for its holder, and none is left holding it.
 */
export async function seeWorkers(session: Queryable, workerId: string): Promise<SeenWorker[]> {
  const { rows } = await session.query<{
    worker_id: string
    lock_key: string | null
    free: boolean
  }>({
    name: 'see-workers',
    text: `select worker_id, lock_key::text,
                  case when worker_id = $1 then false
                       else pg_try_advisory_xact_lock_shared(lock_key) end as free
             from workers where lock_key is not null or worker_id = $1`,
    values: [workerId],
  })
  return rows.map((row) => ({ workerId: row.worker_id, lockKey: row.lock_key, free: row.free }))
}

/**
 * Takes the rows of dead workers away, which frees their mailboxes. Of several who find the same one
 * dead one gets it; a worker that has a new lock meanwhile is left alone.
 *
 * @returns the mailboxes of those that were taken away, where something waits.
 */
export async function buryWorkers(
  session: Queryable,
  dead: readonly SeenWorker[],
): Promise<UnattendedMailbox[]> {
  const { rows } = await session.query<{
    tenant_id: string
    agent_id: string
    epoch: string
    second: string
  }>({
    name: 'bury-workers',
    text: `with found as (
             select w.worker_id from workers w
              where (w.worker_id, w.lock_key) in (select * from unnest($1::text[], $2::bigint[]))
                and pg_try_advisory_xact_lock_shared(w.lock_key)
                for update skip locked),
           buried as (
             delete from workers w using found f where w.worker_id = f.worker_id
             returning w.worker_id)
           select m.tenant_id, m.agent_id, m.epoch,
                  ${RING_SECOND} as second
             from mailboxes m join buried b on m.owner = b.worker_id
            where m.pending > 0 and (m.not_before is null or m.not_before <= clock_timestamp())
            order by m.ready_at`,
    values: [dead.map((worker) => worker.workerId), dead.map((worker) => worker.lockKey)],
  })
  return rows.map((row) => ({
    tenantId: row.tenant_id,
    agentId: row.agent_id,
    epoch: Number(row.epoch),
    second: Number(row.second),
  }))
}
