import { type ChildProcess, fork } from 'node:child_process'
import { StartFailure } from './start-failure.js'

/** One process of the service that is kept running. */
export interface ServiceOptions {
  readonly name: 'api' | 'worker'
  /** The compiled program. */
  readonly entry: string
  readonly env: NodeJS.ProcessEnv
  readonly write: (line: string) => void
}

/** What a process reports on its channel when it takes work. */
export interface ServiceReady {
  readonly port?: number
}

type Message =
  | ({ readonly type: 'ready' } & ServiceReady)
  | { readonly type: 'failed'; readonly message: string; readonly hint?: string }

const READY_MS = 60_000
/** A process that lives less than this was not really started. */
const QUICK_MS = 5_000
const QUICK_DEATHS_MAX = 5
const BACKOFF_MS = { first: 1_000, max: 30_000 } as const

/**
 * Starts a process and starts it again each time it dies: at once, and with growing pauses after
 * several quick deaths in a row. It stops by itself when the channel to us breaks.
 */
export class ServiceProcess {
  private child: ChildProcess | null = null
  private stopping = false
  private quickDeaths = 0
  private retry: NodeJS.Timeout | null = null
  private spawnedAt = 0
  private port: number | undefined
  private failed: { message: string; hint?: string } | null = null
  private settle: { ready(value: ServiceReady): void; failed(error: Error): void } | null = null

  constructor(private readonly options: ServiceOptions) {}

  /** The current process, or null between two. */
  get pid(): number | null {
    return this.child?.pid ?? null
  }

  /**
   * Resolves when the process takes work for the first time.
   *
   * @throws StartFailure when it ends by itself before that, or takes too long.
   */
  start(): Promise<ServiceReady> {
    const { name } = this.options
    return new Promise<ServiceReady>((resolve, reject) => {
      const timer = setTimeout(() => {
        const why = `it did not report within ${READY_MS / 1000} s.`
        reject(new StartFailure(`The ${name} did not start.`, why, 'npm start'))
      }, READY_MS)
      this.settle = {
        ready: (value) => {
          clearTimeout(timer)
          this.settle = null
          resolve(value)
        },
        failed: (error) => {
          clearTimeout(timer)
          this.settle = null
          reject(error)
        },
      }
      this.spawn()
    })
  }

  /** Asks the process to end and resolves when it has; past the deadline it is killed. */
  async stop(deadlineMs: number): Promise<void> {
    this.stopping = true
    if (this.retry) clearTimeout(this.retry)
    this.settle?.failed(new Error('stopped'))
    const { child } = this
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    const timer = setTimeout(() => this.kill(), deadlineMs)
    // Not SIGTERM: that would let a worker finish the steps it is at, and here somebody waits.
    child.kill('SIGINT')
    await gone
    clearTimeout(timer)
  }

  /** Ends the process and whatever it started, now. */
  kill(): void {
    this.stopping = true
    try {
      if (this.child?.pid) process.kill(-this.child.pid, 'SIGKILL')
    } catch {
      // Already gone.
    }
  }

  private spawn(): void {
    const { entry, env } = this.options
    this.retry = null
    this.failed = null
    this.spawnedAt = performance.now()
    // A port the system chose the first time is asked for again: clients know it by now.
    const port = this.port === undefined ? {} : { PORT: String(this.port) }
    // A session of its own: Ctrl-C reaches us alone, and we end our processes in order.
    const child = fork(entry, [], { detached: true, env: { ...env, ...port } })
    this.child = child
    child.on('message', (message: Message) => this.hear(message))
    child.once('error', (error) => this.settle?.failed(error))
    child.once('exit', (code, signal) => this.died(child, code, signal))
  }

  private hear(message: Message): void {
    if (message?.type === 'failed') this.failed = message
    if (message?.type !== 'ready') return
    this.port ??= message.port
    if (this.settle) {
      this.settle.ready({ port: message.port })
      return
    }
    const seconds = ((performance.now() - this.spawnedAt) / 1000).toFixed(1)
    this.say(`  ✔ ${this.options.name} is ready again after ${seconds} s (process ${this.pid})`)
  }

  private died(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
    this.child = null
    if (this.stopping) return
    const { name } = this.options
    const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`
    // Ending by itself before it was ever ready will happen again; a signal came from outside.
    if (this.settle && !signal) {
      this.settle.failed(this.firstFailure(how))
      return
    }
    const quick = performance.now() - this.spawnedAt < QUICK_MS
    this.quickDeaths = quick ? this.quickDeaths + 1 : 0
    if (this.quickDeaths < QUICK_DEATHS_MAX) {
      this.say(`  ✘ ${name} (process ${child.pid}) ${how}; starting it again`)
      this.spawn()
    } else this.spawnLater(how)
  }

  private spawnLater(how: string): void {
    const { name } = this.options
    const doubled = BACKOFF_MS.first * 2 ** (this.quickDeaths - QUICK_DEATHS_MAX)
    const pause = Math.min(doubled, BACKOFF_MS.max)
    this.retry = setTimeout(() => this.spawn(), pause)
    const what = `The ${name} ended ${this.quickDeaths} times in a row soon after its start.`
    const why = `${this.failed?.message ?? `It ${how}.`} Trying again in ${pause / 1000} s.`
    this.say(String(new StartFailure(what, why, this.failed?.hint ?? 'npm run build && npm start')))
  }

  private firstFailure(how: string): StartFailure {
    const { name } = this.options
    return new StartFailure(
      `The ${name} could not start.`,
      this.failed?.message ?? `It ${how} before it was ready.`,
      this.failed?.hint ?? 'npm run build && npm start',
    )
  }

  private say(line: string): void {
    if (!this.stopping) this.options.write(line)
  }
}
