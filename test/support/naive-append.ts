import pg from 'pg'
import type { Ledger } from './ledger.js'
import { tenantId } from './log.js'

/** Moves the head on and appends, in one statement, correctly; knows neither command ids nor hashes. */
const APPEND = `
  with head as (
    update streams set version = version + 1 where tenant_id = $1 and stream_id = $2 returning version)
  insert into events (tenant_id, stream_id, version, type, schema, actor, command_id, recorded_at,
                      payload, payload_hash, prev_hash, hash)
  select $1, $2, version, 'TextInserted', 1, '{"kind":"user","id":"naive"}', 'none', now(),
         json_build_object('intent', json_build_object('text', $3::text)), '', '', ''
    from head
  returning version`

/** A client as many are written: what was not answered is sent again. */
export class NaiveClient {
  #connection: pg.Client | null = null

  constructor(
    private readonly url: string,
    private readonly ledger: Ledger,
  ) {}

  async append(streamId: string, text: string): Promise<void> {
    const work = { text, streams: [streamId], commandId: null }
    this.ledger.ask(work)
    for (;;) {
      const version = await this.#attempt(streamId, text).catch(() => null)
      if (version !== null) return this.ledger.acknowledge(work, { [streamId]: version })
      this.ledger.retried += 1
      await this.close()
    }
  }

  async close(): Promise<void> {
    await this.#connection?.end().catch(() => {})
    this.#connection = null
  }

  async #attempt(streamId: string, text: string): Promise<number> {
    if (!this.#connection) {
      this.#connection = new pg.Client({ connectionString: this.url })
      this.#connection.on('error', () => {})
      await this.#connection.connect()
    }
    const { rows } = await this.#connection.query(APPEND, [tenantId, streamId, text])
    return rows[0].version
  }
}
