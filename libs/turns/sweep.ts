/** Does something again and again, never twice at once. What one round could not do the next one does. */
export class Sweep {
  #timer: NodeJS.Timeout | null = null
  #sweeping: Promise<void> = Promise.resolve()

  constructor(
    private readonly everyMs: number,
    private readonly round: () => Promise<void>,
    private readonly onError: (error: unknown) => void,
  ) {}

  start(): void {
    let busy = false
    this.#timer = setInterval(() => {
      if (busy) return
      busy = true
      this.#sweeping = this.round()
        .catch(this.onError)
        .finally(() => {
          busy = false
        })
    }, this.everyMs)
  }

  /** Waits for the round that is under way. */
  async stop(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer)
    await this.#sweeping
  }
}
