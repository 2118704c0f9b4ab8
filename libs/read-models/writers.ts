import type { Actor, Correlation } from '#domain/actor.js'
import type { BlockEvent } from '#domain/block-events.js'
import { UNREAD } from '#event-store/fold-row.js'
import type { Queryable } from '#event-store/stream-reader.js'

/** Who wrote an event of a block, in which turn. */
export interface Writer {
  readonly version: number
  readonly type: BlockEvent['type']
  readonly actor: Actor
  readonly run_id: string | null
  readonly step: number | null
  readonly tool_call_id: string | null
  /** UTC ISO-8601 with milliseconds and Z. */
  readonly at: string
}

type Row = readonly [
  version: string,
  type: BlockEvent['type'],
  actor: string,
  correlation: string | null,
  /** Seconds. */
  at: string,
]

/** The writers of these versions of a block, by version. */
export async function readWriters(
  pool: Queryable,
  tenantId: string,
  blockId: string,
  versions: readonly number[],
): Promise<Map<number, Writer>> {
  if (versions.length === 0) return new Map()
  const { rows } = await pool.query<Row & unknown[]>({
    name: 'writers',
    text: `select version, type, actor, correlation, date_part('epoch', recorded_at) from events
      where tenant_id = $1 and stream_id = $2 and version = any($3)`,
    values: [tenantId, blockId, [...versions]],
    ...UNREAD,
  })
  // Few have written many: each actor is read once.
  const actors = new Map<string, Actor>()
  const writers = new Map<number, Writer>()
  for (const row of rows) {
    const actor = actors.get(row[2]) ?? (JSON.parse(row[2]) as Actor)
    actors.set(row[2], actor)
    writers.set(Number(row[0]), writerOf(row, actor))
  }
  return writers
}

function writerOf([version, type, , correlation, at]: Row, actor: Actor): Writer {
  const turn = correlation === null ? null : (JSON.parse(correlation) as Correlation)
  return {
    version: Number(version),
    type,
    actor,
    run_id: turn?.run_id ?? null,
    step: turn?.step ?? null,
    tool_call_id: turn?.tool_call_id ?? null,
    at: new Date(Math.round(Number(at) * 1_000)).toISOString(),
  }
}
