import type { Pool } from 'pg'
import type { Read } from './feed-load.js'
import { tenantId } from './log.js'

/**
 * Readers of the log as others build them, kept as control arms: a load under which they lose nothing
 * and invert nothing would prove nothing about ours.
 */
export interface WrongFeed {
  /** Reads what it takes to be new. */
  poll(): Promise<Read[]>
}

const COLUMNS = 'position, stream_id, version'

/** Takes the highest position seen for "everything up to here". */
export class NaiveFeed implements WrongFeed {
  #last = 0

  constructor(private readonly pool: Pool) {}

  async poll(): Promise<Read[]> {
    const { rows } = await this.pool.query(
      `select ${COLUMNS} from events where tenant_id = $1 and position > $2 order by position`,
      [tenantId, this.#last],
    )
    this.#last = Number(rows.at(-1)?.position ?? this.#last)
    return rows.map(toRead)
  }
}

/** The fence with the snapshot's xmax in place of a transaction id of its own. */
export class XmaxFeed implements WrongFeed {
  #last = 0
  #mark: { drawn: string; xid: bigint } | null = null

  constructor(private readonly pool: Pool) {}

  async poll(): Promise<Read[]> {
    if (!this.#mark) {
      const drawn = await this.#one(
        'select case when is_called then last_value else 0 end as it from events_position',
      )
      const xmax = await this.#one('select pg_snapshot_xmax(pg_current_snapshot())::text as it')
      this.#mark = { drawn, xid: BigInt(xmax) }
    }
    const xmin = await this.#one('select pg_snapshot_xmin(pg_current_snapshot())::text as it')
    if (BigInt(xmin) < this.#mark.xid) return []
    const { drawn } = this.#mark
    this.#mark = null
    const { rows } = await this.pool.query(
      `select ${COLUMNS} from events
        where tenant_id = $1 and position > $2 and position <= $3 order by position`,
      [tenantId, this.#last, drawn],
    )
    this.#last = Number(drawn)
    return rows.map(toRead)
  }

  async #one(text: string): Promise<string> {
    const { rows } = await this.pool.query<{ it: string }>(text)
    return rows[0]?.it as string
  }
}

/** Orders by (transaction id, position), below the oldest running transaction. */
export class XidOrderFeed implements WrongFeed {
  #last = { xid: '0', position: '0' }

  constructor(private readonly pool: Pool) {}

  async poll(): Promise<Read[]> {
    const { rows } = await this.pool.query(
      `select ${COLUMNS}, xmin::text::bigint as xid from events
        where tenant_id = $1 and (xmin::text::bigint, position) > ($2, $3)
          and xmin::text::bigint < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
        order by xmin::text::bigint, position`,
      [tenantId, this.#last.xid, this.#last.position],
    )
    this.#last = rows.at(-1) ?? this.#last
    return rows.map(toRead)
  }
}

function toRead(row: { position: string; stream_id: string; version: number }): Read {
  return { position: Number(row.position), streamId: row.stream_id, version: row.version }
}
