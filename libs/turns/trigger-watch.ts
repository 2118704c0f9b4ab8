import type { Correlation } from '#domain/actor.js'
import {
  settledBy,
  TRIGGER_DEPTH_MAX,
  WAKING_TYPES,
  type Wake,
  type Watch,
  wokenBy,
} from '#domain/trigger-wake.js'
import type { TriggerCause, TurnEvent } from '#domain/turn-events.js'
import type { FeedEvent } from '#event-store/feed-event.js'
import type { Queryable } from '#event-store/stream-reader.js'

/** The subscription's name: its checkpoint says which changes have been looked at. */
export const TRIGGERS = 'triggers'
/** What it reads of the feed. */
export const WATCHED_TYPES: readonly string[] = [...WAKING_TYPES, 'TurnQueued']

type Queued = Extract<TurnEvent, { type: 'TurnQueued' }>['payload']

/** A trigger with how far it has come, as the database has them. */
interface Row {
  readonly trigger_id: string
  readonly agent_id: string
  readonly since_version: number
  readonly debounce_ms: number
  readonly from_version: number | null
  readonly to_version: number
  readonly depth: number
  readonly first_at: Date
  readonly due_at: Date | null
  readonly refused_version: number | null
  readonly refused_run_id: string | null
  readonly refusals: number
  /** The database's clock. */
  readonly now: Date
}

const COLUMNS = `t.trigger_id, t.agent_id, t.since_version, t.debounce_ms, w.from_version, w.to_version, w.depth,
  w.first_at, w.due_at, w.refused_version, w.refused_run_id, w.refusals, clock_timestamp() as now
  from triggers t left join trigger_wakes w using (tenant_id, trigger_id)`

/**
 * Notes in the database what changes of blocks wake whom, and when. Turns that triggers have queued
 * come by in the same feed, and settle what they tell: so a log that is read again from its beginning
 * wakes nobody twice. An event may come again: versions only rise.
 */
export class TriggerWatch {
  constructor(
    private readonly db: Queryable,
    private readonly depthMax: number = TRIGGER_DEPTH_MAX,
  ) {}

  async handle(event: FeedEvent): Promise<void> {
    if (event.type !== 'TurnQueued') return this.#edited(event)
    const trigger = (event.payload as Queued | null)?.trigger
    if (trigger) await this.#queued(event, trigger)
  }

  async #edited(event: FeedEvent): Promise<void> {
    const { tenantId, streamId, version, actor, correlation } = event
    const { rows } = await this.db.query<Row>({
      name: 'triggers-of-block',
      text: `select ${COLUMNS} where t.tenant_id = $1 and t.block_id = $2`,
      values: [tenantId, streamId],
    })
    if (rows.length === 0) return
    const depth = await this.#depthOf(tenantId, correlation)
    const edit = { version, actor, runId: correlation?.run_id ?? null, depth }
    for (const row of rows) {
      const woken = wokenBy(wakeOf(row), watchOf(row), edit, row.now.getTime(), this.depthMax)
      if (woken) await this.#store(tenantId, row.trigger_id, woken, null)
    }
  }

  async #queued({ tenantId, streamId }: FeedEvent, { trigger_id, to_version }: TriggerCause) {
    const { rows } = await this.db.query<Row>({
      name: 'trigger-wake',
      text: `select ${COLUMNS} where t.tenant_id = $1 and t.trigger_id = $2`,
      values: [tenantId, trigger_id],
    })
    const wake = rows[0] && wakeOf(rows[0])
    if (wake) await this.#store(tenantId, trigger_id, settledBy(wake, to_version), streamId)
  }

  /** How many triggers stand behind the turn that an edit was made in. */
  async #depthOf(tenantId: string, correlation: Correlation | null): Promise<number> {
    if (!correlation) return 0
    const { rows } = await this.db.query<{ depth: string | null }>({
      name: 'trigger-depth',
      text: `select payload->'trigger'->>'depth' as depth from events
              where tenant_id = $1 and stream_id = $2 and version = 1`,
      values: [tenantId, correlation.run_id],
    })
    return Number(rows[0]?.depth ?? 0)
  }

  async #store(tenantId: string, triggerId: string, wake: Wake, runId: string | null) {
    const { fromVersion, toVersion, depth, firstAt, dueAt, refused } = wake
    await this.db.query({
      name: 'store-wake',
      text: `insert into trigger_wakes (tenant_id, trigger_id, from_version, to_version, depth, first_at, due_at,
               refused_version, refused_run_id, refusals, run_id)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             on conflict (tenant_id, trigger_id) do update set from_version = $3, to_version = $4, depth = $5,
               first_at = $6, due_at = $7, refused_version = $8, refused_run_id = $9, refusals = $10,
               run_id = coalesce($11, trigger_wakes.run_id)
             where (trigger_wakes.to_version, coalesce(trigger_wakes.refused_version, 0))
                <= ($4, coalesce($8::int, 0))`,
      values: [
        tenantId,
        triggerId,
        fromVersion,
        toVersion,
        depth,
        new Date(firstAt),
        dueAt === null ? null : new Date(dueAt),
        refused?.version ?? null,
        refused?.runId ?? null,
        refused?.count ?? 0,
        runId,
      ],
    })
  }
}

function watchOf({ agent_id, since_version, debounce_ms }: Row): Watch {
  return { agentId: agent_id, sinceVersion: since_version, debounceMs: debounce_ms }
}

function wakeOf(row: Row): Wake | null {
  if (row.from_version === null) return null
  const { refused_version: version, refused_run_id: runId, refusals: count } = row
  return {
    fromVersion: row.from_version,
    toVersion: row.to_version,
    depth: row.depth,
    firstAt: row.first_at.getTime(),
    dueAt: row.due_at?.getTime() ?? null,
    refused: version === null ? null : { version, runId, count },
  }
}
