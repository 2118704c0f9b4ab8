import type { Pool, PoolClient } from 'pg'

/** One connection, held as long as it lasts: what belongs to its session, such as a lock, ends with it. */
export class Session {
  readonly query: PoolClient['query']
  #ended = false

  private constructor(private readonly client: PoolClient) {
    this.query = client.query.bind(client)
  }

  /**
   * @param onLost called once, when the connection breaks by itself.
   * @throws when there is no connection to be had.
   */
  static async open(pool: Pool, onLost: () => void): Promise<Session> {
    const client = await pool.connect()
    const session = new Session(client)
    const lost = (): void => {
      if (session.#ended) return
      session.close()
      onLost()
    }
    // Unheard, the first of these would end the process.
    client.on('error', lost)
    client.on('end', lost)
    return session
  }

  /** Ends the connection, whatever it is at. */
  close(): void {
    if (this.#ended) return
    this.#ended = true
    this.client.release(true)
  }
}
