import type { Pool } from 'pg'
import { type AnyEvent, type AnyState, evolveAll, initialState } from '#domain/streams.js'
import type { Log, LogEvent } from '../judge/record.mjs'
import { tenantId } from './log.js'

interface Row {
  readonly stream: string
  readonly version: number
  readonly position: string
  readonly type: string
  readonly payload: object
  readonly command: string
  readonly actor: object
  readonly correlation: object | null
  readonly recorded_at: Date
}

/** Every client's command ids begin so; before it stands the principal. */
export const JUDGED_KEYS = 'judge/'

/**
 * The whole log, as a judge reads it.
 *
 * @param since what has this position or less was there before the first operation
 * @param feeds what each consumer was given since
 */
export async function judgedLog(pool: Pool, since: number, feeds: Log['feeds']): Promise<Log> {
  const { rows } = await pool.query<Row>(
    `select stream_id as stream, version, position, type, payload, command_id as command, actor,
            correlation, recorded_at
       from events where tenant_id = $1 order by position`,
    [tenantId],
  )
  const all = rows.map(eventOf)
  const events = all.filter(({ position }) => position > since)
  const heads = await pool.query<{ id: string; version: number; length: number; value: string }>(
    `select stream_id as id, version, length, case when kind = 'block' then value end as value
       from streams where tenant_id = $1`,
    [tenantId],
  )
  return {
    base: baseOf(all.filter(({ position }) => position <= since)),
    events,
    heads: Object.fromEntries(heads.rows.map(({ id, ...head }) => [id, head])),
    feeds,
  }
}

export async function positionNow(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ position: string }>(
    'select coalesce(max(position), 0) as position from events where tenant_id = $1',
    [tenantId],
  )
  return Number(rows[0]?.position)
}

function eventOf({ recorded_at, position, command, ...row }: Row): LogEvent {
  const at = command.indexOf(JUDGED_KEYS)
  return {
    ...row,
    position: Number(position),
    command: at < 0 ? command : command.slice(at),
    recordedAt: recorded_at.toISOString(),
  }
}

function baseOf(events: readonly LogEvent[]): Log['base'] {
  const streams = new Map<string, LogEvent[]>()
  for (const event of events) {
    const those = streams.get(event.stream)
    if (those) those.push(event)
    else streams.set(event.stream, [event])
  }
  return new Map(
    [...streams].map(([id, own]): [string, { state: AnyState; events: LogEvent[] }] => {
      const foldable = own as unknown as Parameters<typeof evolveAll>[1] & AnyEvent[]
      return [id, { state: evolveAll(initialState(id), foldable), events: own }]
    }),
  )
}
