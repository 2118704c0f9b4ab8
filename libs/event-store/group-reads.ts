/** Statements under way at a time: a second, so that a slow one does not hold up all that is asked behind it. */
const UNDER_WAY_MAX = 2

/** A value, or one that is still on its way, or the error of its key alone. */
export type Answers<V> = ReadonlyMap<string, V | Promise<V>>

interface Asked<V> {
  readonly value: Promise<V>
  readonly resolve: (value: V | Promise<V>) => void
  readonly reject: (error: unknown) => void
}

/**
 * What many ask for at the same time, read in few statements: as with a group of commits, what comes while
 * others are under way goes out together behind them. Nobody waits for a timer, and nobody is told anything
 * older than the asking.
 */
export class GroupReads<V> {
  /** By tenant and key. */
  readonly #asked = new Map<string, Map<string, Asked<V>>>()
  #underWay = 0
  #scheduled = false

  /** @param read one statement for all the keys; it answers each of them. */
  constructor(
    private readonly read: (tenantId: string, keys: readonly string[]) => Promise<Answers<V>>,
  ) {}

  /** @throws what the statement failed with, or one of these keys. */
  async getAll(tenantId: string, keys: readonly string[]): Promise<Map<string, V>> {
    const values = keys.map((key) => this.#ask(tenantId, key))
    this.#schedule()
    const found = await Promise.all(values)
    return new Map(keys.map((key, n) => [key, found[n] as V]))
  }

  #ask(tenantId: string, key: string): Promise<V> {
    const asked = this.#asked.get(tenantId) ?? new Map<string, Asked<V>>()
    this.#asked.set(tenantId, asked)
    const already = asked.get(key)
    if (already) return already.value
    let settle!: Pick<Asked<V>, 'resolve' | 'reject'>
    const value = new Promise<V>((resolve, reject) => {
      settle = { resolve, reject }
    })
    asked.set(key, { value, ...settle })
    return value
  }

  /** Behind what else this round of the event loop brings: answers that came together ask together. */
  #schedule(): void {
    if (this.#scheduled || this.#asked.size === 0 || this.#underWay >= UNDER_WAY_MAX) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      for (const [tenantId, asked] of this.#asked) {
        if (this.#underWay >= UNDER_WAY_MAX) break
        this.#asked.delete(tenantId)
        void this.#send(tenantId, asked)
      }
    })
  }

  async #send(tenantId: string, asked: ReadonlyMap<string, Asked<V>>): Promise<void> {
    this.#underWay += 1
    try {
      const answers = await this.read(tenantId, [...asked.keys()])
      for (const [key, { resolve }] of asked) resolve(answers.get(key) as V | Promise<V>)
    } catch (error) {
      for (const { reject } of asked.values()) reject(error)
    }
    this.#underWay -= 1
    this.#schedule()
  }
}
