import type { Pool, PoolClient } from 'pg'
import { classify } from './fault.js'
import type { Answer, Statement } from './statement.js'

/**
 * One connection of the pool, held while there is work: a statement goes out in the same step in which
 * it is given in, so that the next group is decided while the server works on this one.
 */
export class LaneConnection {
  #client: PoolClient | null = null

  constructor(private readonly pool: Pool) {}

  /** @throws whatever the driver throws; a broken connection is replaced by the next statement. */
  async send(statement: Statement): Promise<Answer> {
    const client = this.#client ?? (await this.#connect())
    try {
      const { rows } = await client.query<Answer>(statement)
      return rows[0] as Answer
    } catch (error) {
      if (classify(error) === 'outcome_unknown') this.#giveBack(client, true)
      throw error
    }
  }

  /** Back to the pool, until there is work again. */
  release(): void {
    if (this.#client) this.#giveBack(this.#client, false)
  }

  async #connect(): Promise<PoolClient> {
    const client = await this.pool.connect()
    client.on('error', this.#broken)
    this.#client = client
    return client
  }

  /** A connection that breaks while it is held says so as an event too; unheard, it ends the process. */
  readonly #broken = (): void => {
    if (this.#client) this.#giveBack(this.#client, true)
  }

  #giveBack(client: PoolClient, broken: boolean): void {
    if (this.#client !== client) return
    this.#client = null
    client.off('error', this.#broken)
    client.release(broken)
  }
}
