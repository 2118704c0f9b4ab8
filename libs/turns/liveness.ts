import { randomBytes } from 'node:crypto'
import type { Session } from '#postgres/session.js'
import { buryWorkers, type SeenWorker, seeWorkers } from './dead-workers.js'
import type { TakeUp } from './ports.js'
import { pauseAmong } from './sweep.js'

/** From look to look of a few workers. */
const LOOK_MS = 100
/** From the look that found a lock free to the one that makes sure: a living worker that lost it names a new one meanwhile. */
const SECOND_LOOK_MS = 50
/** Whatever cut our own connection may have cut the others': they get so long to be back. */
const GRACE_MS = 1_000

export interface LivenessOptions {
  /** A connection that goes to the database itself: behind a pooler of transactions a lock means nothing. */
  readonly connect: (onLost: () => void) => Promise<Session>
  readonly workerId: string
  /** Writes into the worker's row under which lock it lives; null: its lease alone counts. */
  readonly declare: (lockKey: string | null) => Promise<void>
  /** Sees to it that somebody takes up what the dead had. */
  readonly takeUp: TakeUp
  readonly onError: (error: unknown) => void
}

/**
 * Holds a lock that ends with the process, and looks for workers whose lock is free, ten times a second or, among
 * many, in turn with them: they are dead, and their agents are taken up at once instead of when their lease has run out.
 *
 * A lock may also be free because a living worker lost its connection. It says so in its row at once,
 * and takes a new lock, under a new key since the old session may linger on the server; and a worker is
 * dead only when two looks have found the same lock free. Should it be buried alive all the same, then
 * the next claims fence it, as they would after its lease, and its next look puts its row back.
 */
export class Liveness {
  #session: Session | null = null
  #key: string | null = null
  #suspects: readonly SeenWorker[] = []
  #living = 1
  #gracedUntil = 0
  #stopped = false
  #broken = false
  #running: Promise<void> = Promise.resolve()
  #hurry = (): void => {}
  #complaint = ''

  constructor(private readonly options: LivenessOptions) {}

  /** The lock this worker lives under, or null while it has none. */
  get key(): string | null {
    return this.#key
  }

  /** Workers with a lock, this one among them, at the last look. */
  get living(): number {
    return this.#living
  }

  /** Resolves when the lock is taken, or could not be: then it is tried again and again. */
  async start(): Promise<void> {
    await this.#step()
    this.#running = this.#run()
  }

  /** Looks no more; the lock is held until `close`. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#hurry()
    await this.#running
  }

  close(): void {
    this.#session?.close()
    this.#session = this.#key = null
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.#pause()
      if (!this.#stopped) await this.#step()
    }
  }

  #pause(): Promise<void> {
    const ms = this.#suspects.length > 0 ? SECOND_LOOK_MS : pauseAmong(this.#living, LOOK_MS)
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#hurry = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  async #step(): Promise<void> {
    try {
      if (this.#broken) await this.#lose()
      if (this.#session) await this.#look(this.#session)
      else await this.#take()
      this.#complaint = ''
    } catch (error) {
      this.#complain(error)
      this.#broken = this.#session !== null
    }
    if (this.#broken) await this.#lose()
  }

  async #take(): Promise<void> {
    const session = await this.options.connect(() => {
      this.#broken = true
      this.#hurry()
    })
    this.#session = session
    const key = randomBytes(8).readBigInt64BE().toString()
    await session.query({ text: 'select pg_advisory_lock($1)', values: [key] })
    // Only now: a row never names a lock that is not held yet.
    this.#key = key
    await this.#declare()
  }

  async #lose(): Promise<void> {
    this.#broken = false
    this.close()
    this.#suspects = []
    this.#gracedUntil = performance.now() + GRACE_MS
    await this.#declare()
  }

  async #look(session: Session): Promise<void> {
    const { workerId, takeUp } = this.options
    const workers = await seeWorkers(session, workerId)
    const own = workers.find((worker) => worker.workerId === workerId)
    if (own?.lockKey !== this.#key) await this.#declare()
    this.#living = workers.length
    if (performance.now() < this.#gracedUntil) return
    const free = workers.filter((worker) => worker.free)
    const dead = free.filter((worker) => this.#suspects.some((s) => s.lockKey === worker.lockKey))
    this.#suspects = free
    if (dead.length > 0) await takeUp(await buryWorkers(session, dead))
  }

  /** What cannot be written now, the next look finds missing: no reason to give up a lock that is held. */
  #declare(): Promise<void> {
    return this.options.declare(this.#key).catch((error: unknown) => this.#complain(error))
  }

  /** Once, however long it lasts. */
  #complain(error: unknown): void {
    const said = error instanceof Error ? error.message : String(error)
    if (said === this.#complaint) return
    this.#complaint = said
    this.options.onError(error)
  }
}
