import type { Queryable } from '#event-store/stream-reader.js'
import { NOTIFY } from '#postgres/hint.js'
import type { Mailbox } from './ports.js'

/** The channel on which a worker is told of agents that it is to take up. */
export const HANDOVER_HINTS = 'palimpsest_handovers'
/** Agents for which one worker is enough: together they cost less than apart, and twice as many take longer than two shares. */
const SHARE = 32
/** Agents of one hint: its payload holds 8,000 bytes. */
const HINTED_MAX = 150

/** A living worker, and how many agents more it has places for: fewer than none if it has too many. */
export interface WorkerRoom {
  readonly workerId: string
  readonly free: number
}

export interface HandoverOptions {
  readonly db: Queryable
  readonly workerId: string
  /** Takes agents up here as far as there are places; whoever has one gets the rest. Never throws. */
  readonly takeOver: (mailboxes: readonly Mailbox[]) => Promise<void>
}

/**
 * Deals out what a dead worker had to those who have most places free, and tells each of them. The agents are
 * nobody's until they are claimed: a share whose hint is lost, or whose worker dies, is found by the next sweep.
 */
export class Handover {
  constructor(private readonly options: HandoverOptions) {}

  async deal(mailboxes: readonly Mailbox[]): Promise<void> {
    if (mailboxes.length === 0) return
    const { db, workerId, takeOver } = this.options
    const { shares, left } = dealOut(mailboxes, await workerRooms(db))
    const own = [...(shares.get(workerId) ?? []), ...left]
    shares.delete(workerId)
    const told = [...shares].map(([other, share]) => this.#tell(other, share))
    await Promise.all([takeOver(own), ...told])
  }

  /** What a hint says: a worker, a tenant, and agents. */
  async heard([workerId, tenantId, ...agentIds]: readonly string[]): Promise<void> {
    if (workerId !== this.options.workerId || tenantId === undefined) return
    await this.options.takeOver(agentIds.map((agentId) => ({ tenantId, agentId })))
  }

  async #tell(workerId: string, share: readonly Mailbox[]): Promise<void> {
    for (const [tenantId, agentIds] of byTenant(share)) {
      for (let from = 0; from < agentIds.length; from += HINTED_MAX) {
        const told = [workerId, tenantId, ...agentIds.slice(from, from + HINTED_MAX)].join(' ')
        await this.options.db.query({ ...NOTIFY, values: [HANDOVER_HINTS, told] })
      }
    }
  }
}

/** Who lives and takes agents, and how many more it has places for. */
export async function workerRooms(db: Queryable): Promise<WorkerRoom[]> {
  const { rows } = await db.query<{ worker_id: string; free: number }>({
    name: 'worker-rooms',
    text: `select w.worker_id, w.places - coalesce(m.held, 0)::int as free
             from workers w
             left join (select owner, count(*) as held from mailboxes
                         where pending > 0 and owner is not null group by owner) m
               on m.owner = w.worker_id
            where w.places > 0 and w.lease_until > clock_timestamp()`,
    values: [],
  })
  return rows.map((row) => ({ workerId: row.worker_id, free: row.free }))
}

/**
 * Shares for the workers with the most places free: alike, though none has more than it has places for. There is one worker for
 * each 32, and more if their places are too few.
 *
 * @returns by worker its share, and what nobody has a place for.
 */
export function dealOut<M>(
  found: readonly M[],
  rooms: readonly WorkerRoom[],
): { readonly shares: Map<string, M[]>; readonly left: M[] } {
  const roomy = rooms.filter(({ free }) => free > 0).sort((a, b) => b.free - a.free)
  let count = 0
  let free = 0
  while (count < roomy.length && (count * SHARE < found.length || free < found.length)) {
    free += roomy[count]?.free ?? 0
    count += 1
  }
  const shares = new Map<string, M[]>()
  let dealt = 0
  // Those with the fewest places first: what they have no place for is shared by the others.
  for (const [n, worker] of roomy.slice(0, count).reverse().entries()) {
    const share = Math.min(worker.free, Math.ceil((found.length - dealt) / (count - n)))
    if (share > 0) shares.set(worker.workerId, found.slice(dealt, dealt + share))
    dealt += share
  }
  return { shares, left: found.slice(dealt) }
}

function byTenant(mailboxes: readonly Mailbox[]): Map<string, string[]> {
  const agents = new Map<string, string[]>()
  for (const { tenantId, agentId } of mailboxes) {
    agents.set(tenantId, [...(agents.get(tenantId) ?? []), agentId])
  }
  return agents
}
