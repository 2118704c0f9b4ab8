import type { Pool } from 'pg'
import type { Unit, Verdict } from '#event-store/unit.js'
import { WRITER_CONNECTIONS, WRITER_SETTINGS, Writer } from '#event-store/writer.js'
import { createPool } from '#postgres/database.js'
import { project } from '#read-models/projection.js'

/** A process with a writer, as far as its clients can tell: it answers, or it is gone. */
export class WriterHost {
  readonly #pools: readonly Pool[]
  readonly #writer: Writer
  #dead = false
  #die: (nothing: null) => void = () => {}
  readonly #death = new Promise<null>((resolve) => {
    this.#die = resolve
  })

  /** @param readsUrl where it reads, when that is another way to the same database. */
  constructor(url: string, readsUrl = url) {
    const writes = createPool(url, { max: WRITER_CONNECTIONS, settings: WRITER_SETTINGS })
    const reads = createPool(readsUrl, { max: 4 })
    this.#pools = [writes, reads]
    this.#writer = new Writer({ writes, reads, project })
  }

  /** @returns null when the process died first: what became of the unit its client does not learn. */
  async submit<T>(unit: Unit<T>): Promise<Verdict<T> | null> {
    const answer = this.#writer.submit(unit).catch((error) => {
      if (this.#dead) return null
      throw error
    })
    const verdict = await Promise.race([answer, this.#death])
    return this.#dead ? null : verdict
  }

  /** As by kill -9: nobody hears of it again, and it makes no new connection. */
  die(): void {
    this.#dead = true
    this.#die(null)
    for (const pool of this.#pools) pool.end().catch(() => {})
  }

  async close(): Promise<void> {
    if (this.#dead) return
    await this.#writer.close()
    await Promise.all(this.#pools.map((pool) => pool.end()))
  }
}
