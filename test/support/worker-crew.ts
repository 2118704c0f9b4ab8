import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { pick, type Seeded } from './seeded.js'

/** What a control arm leaves out of a worker. */
export type Lack = 'fence' | 'liveness' | 'sweeper'

/** A worker as a process of its own: it may be killed, frozen and let go on. */
export class WorkerProcess {
  readonly gone: Promise<unknown>

  private constructor(
    private readonly child: ChildProcess,
    readonly workerId: string,
  ) {
    this.gone = once(child, 'exit')
  }

  static async start(env: NodeJS.ProcessEnv): Promise<WorkerProcess> {
    const child = fork(join('test', 'support', 'turn-worker.mjs'), {
      env: { ...process.env, ...env },
    })
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`a worker ended with ${code} before it was ready`)
    })
    const [told] = (await Promise.race([once(child, 'message'), ended])) as [{ workerId: string }]
    ended.catch(() => {})
    return new WorkerProcess(child, told.workerId)
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name)
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.gone
  }

  /** How many of its writes were fenced. */
  async fenced(): Promise<number> {
    const answer = once(this.child, 'message') as Promise<[{ fenced: number }]>
    this.child.send('report')
    const [{ fenced }] = await answer
    return fenced
  }
}

/** So many workers, each replaced when it is killed. */
export class WorkerCrew {
  readonly workers: WorkerProcess[] = []
  #starting: Promise<unknown>[] = []

  constructor(private readonly env: NodeJS.ProcessEnv) {}

  /** Starts workers; several boot side by side. */
  async hire(count: number): Promise<void> {
    const started = Array.from({ length: count }, async () => {
      this.workers.push(await WorkerProcess.start(this.env))
    })
    this.#starting.push(...started)
    await Promise.all(started)
  }

  /** One that kills itself right after its n-th commit of a turn. Resolves when it is gone. */
  async hireMortal(killAfter: number): Promise<void> {
    const mortal = await WorkerProcess.start({ ...this.env, KILL_AFTER: String(killAfter) })
    await mortal.gone
  }

  /** Resolves when all that were hired are there. */
  async complete(): Promise<void> {
    await Promise.all(this.#starting)
    this.#starting = []
  }

  /** One at random leaves the crew; what becomes of it is up to the caller. */
  take(random: Seeded): WorkerProcess {
    const [taken] = this.workers.splice(pick(random, this.workers.length), 1)
    if (!taken) throw new Error('nobody is left')
    return taken
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#starting)
    await Promise.all(this.workers.map((worker) => worker.kill()))
  }
}
