/** Of so many workers each makes its rounds as if it were alone; more of them make as many rounds together as these. */
const UNPACED_MAX = 3
/** No pause is longer than so many of one that is alone: the others may be gone when it ends. */
const SLOWED_MAX = 5
/** Agents that one worker takes up at the least, if so many were found: together they cost less, and are there sooner. */
const SHARE_MIN = 32

/**
 * The pause between two rounds of a worker among others who make the same ones: each more seldom the more they
 * are, so that what one round finds for all of them costs about the same however many they are. At random, for they are
 * not to look all at once.
 *
 * @param everyMs the pause of one that is alone
 */
export function pauseAmong(workers: number, everyMs: number): number {
  const share = Math.min(workers / UNPACED_MAX, SLOWED_MAX)
  return share <= 1 ? everyMs : share * everyMs * (0.5 + Math.random())
}

/** How many of the agents that one worker has found are one worker's share. */
export function shareAmong(workers: number, found: number): number {
  return Math.max(SHARE_MIN, Math.ceil(found / workers))
}

export interface SweepOptions {
  readonly everyMs: number
  /** Who make the same rounds, this one among them. */
  readonly workers: () => number
  readonly round: () => Promise<void>
  readonly onError: (error: unknown) => void
}

/** Does something again and again, never twice at once. What one round could not do the next one does. */
export class Sweep {
  #timer: NodeJS.Timeout | null = null
  #stopped = false
  #sweeping: Promise<void> = Promise.resolve()

  constructor(private readonly options: SweepOptions) {}

  /** The first round is a pause away, or begins at once. */
  start(atOnce = false): void {
    if (atOnce) this.#sweep()
    else this.#wait()
  }

  /** Waits for the round that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true
    if (this.#timer) clearTimeout(this.#timer)
    await this.#sweeping
  }

  #wait(): void {
    if (this.#stopped) return
    const { everyMs, workers } = this.options
    this.#timer = setTimeout(() => this.#sweep(), pauseAmong(workers(), everyMs))
  }

  #sweep(): void {
    const { round, onError } = this.options
    this.#sweeping = round()
      .catch(onError)
      .finally(() => this.#wait())
  }
}
