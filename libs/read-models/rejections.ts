import { createHmac } from 'node:crypto'
import type { Actor } from '#domain/actor.js'
import type { Rejection } from '#domain/errors.js'
import { REFUSED_PART } from '#event-store/group.js'
import type { Queryable } from '#event-store/stream-reader.js'
import { blockExists } from './block-at.js'

/** A command on a block that was refused: nothing was changed. */
export interface RefusedCommand {
  readonly command_id: string
  readonly code: Rejection['code']
  readonly detail: string
  /** The version it was judged at. */
  readonly at_version: number
  /** Null in a log older than this field. */
  readonly actor: Actor | null
  readonly facts: Rejection['facts']
  /** UTC ISO-8601 with milliseconds and Z. */
  readonly at: string
}

export interface RejectionPage {
  readonly rejections: readonly RefusedCommand[]
  readonly hasMore: boolean
}

/** A place in the list, exclusive: the time of a refusal, and its id as it is shown. */
export interface RejectionCursor {
  readonly at: string
  readonly commandId: string
}

interface Row {
  readonly command_id: string
  readonly version: number
  readonly facts: Rejection & { readonly actor?: Actor }
  readonly recorded_at: Date
}

/** Ids that are nobody's secret: minted here, or made of run, step and call. */
const OPEN_ID = /^(cmd-|run-)[0-9a-f-]{36}(\/\d+)*$/
const SHOWN_HEX = 32

/**
 * Commands on a block that were refused, newest first, of deleted blocks too. Other ids than ours hold a
 * caller's idempotency key: they are shown as a keyed hash, the same for the same command.
 *
 * @param key of this database: the hashes cannot be guessed from outside
 * @returns null when there never was such a block, or that the cursor names nothing of this list
 */
export async function blockRejections(
  pool: Queryable,
  key: Buffer,
  tenantId: string,
  blockId: string,
  page: { readonly after: RejectionCursor | null; readonly limit: number },
): Promise<RejectionPage | { readonly unknownCursor: true } | null> {
  const shown = (id: string): string => shownId(key, id)
  const after = page.after && (await placeOf(pool, tenantId, blockId, page.after, shown))
  if (after === undefined) return { unknownCursor: true }
  const { rows } = await pool.query<Row>({
    name: 'rejections',
    text: `select command_id, version, facts, recorded_at from command_results
      where tenant_id = $1 and stream_id = $2 and verdict = 'rejected'
        and (kept_until is null or kept_until > now())
        and ($3::timestamptz is null or (recorded_at, command_id) < ($3, $4))
      order by recorded_at desc, command_id desc limit $5`,
    values: [tenantId, blockId, after?.at ?? null, after?.commandId ?? null, page.limit + 1],
  })
  if (rows.length === 0 && !(await blockExists(pool, tenantId, blockId))) return null
  const rejections = rows.slice(0, page.limit).map((row) => refused(row, shown(row.command_id)))
  return { rejections, hasMore: rows.length > page.limit }
}

/** Undefined when no refusal of that time is shown by that id. */
async function placeOf(
  pool: Queryable,
  tenantId: string,
  blockId: string,
  { at, commandId }: RejectionCursor,
  shown: (id: string) => string,
): Promise<RejectionCursor | undefined> {
  const { rows } = await pool.query<{ command_id: string }>(
    `select command_id from command_results
      where tenant_id = $1 and stream_id = $2 and verdict = 'rejected' and recorded_at = $3`,
    [tenantId, blockId, at],
  )
  const row = rows.find((one) => shown(one.command_id) === commandId)
  return row && { at, commandId: row.command_id }
}

function refused({ version, facts: stored, recorded_at }: Row, commandId: string): RefusedCommand {
  const { code, detail, facts, actor } = stored
  const judged = { code, detail, at_version: version, actor: actor ?? null, facts }
  return { command_id: commandId, ...judged, at: recorded_at.toISOString() }
}

function shownId(key: Buffer, stored: string): string {
  const id = stored.endsWith(REFUSED_PART) ? stored.slice(0, -REFUSED_PART.length) : stored
  if (OPEN_ID.test(id)) return id
  return `key-${createHmac('sha256', key).update(`command ${id}`).digest('hex').slice(0, SHOWN_HEX)}`
}
