import type { ChildProcess } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { type DataDirectory, openDataDirectory, readSecret } from './data-directory.js'
import { EmbeddedPostgresError } from './embedded-postgres-error.js'
import { type OwnerLock, takeOwnerLock } from './owner-lock.js'
import { findPostgresBinaries, type PostgresBinaries } from './postgres-binaries.js'
import { ensureDatabase, isDurable } from './postgres-superuser.js'
import {
  createCluster,
  disownForeignPid,
  ended,
  failure,
  freePort,
  isServerOf,
  PALIMPSEST,
  readLog,
  runningPostmaster,
  spawnServer,
} from './postmaster.js'

export interface EmbeddedPostgresOptions {
  /** Where the data are kept; made on first use. */
  readonly dataDir: string
  /** `false` gives up safety for speed: for tests, whose data nobody wants back. Default true. */
  readonly durable?: boolean
  /** Hears of each step that takes a while, as a short sentence. */
  readonly onProgress?: (step: string) => void
  /** Aborting ends a start that is under way and leaves nothing running. */
  readonly signal?: AbortSignal
}

const POLL_MS = 20
const WATCH_MS = 200
/** After a kill -9 the server's own helpers may hold its memory for some seconds. */
const RETRY_MS = 10_000
/** Recovery after a crash replays what was written since the last checkpoint. */
const READY_MS = 120_000
const STOP_MS = 10_000
/** A person waits for an aborted start to be gone. */
const ABORT_MS = 500
const QUIT_MS = 2_000

/**
 * Starts the Postgres that comes with the npm packages, as a process of its own with its data in
 * `dataDir`. A server left over from a process that was killed is adopted, not started again.
 *
 * @throws EmbeddedPostgresError `in_use` when another running process has this directory, and for
 * everything else that a person has to mend.
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const begun = performance.now()
  const directory = openDataDirectory(options.dataDir)
  const lock = takeOwnerLock(directory.path)
  if (!('release' in lock)) {
    throw new EmbeddedPostgresError(
      'in_use',
      `Another Palimpsest (process ${lock.pid}) is using the data in ${directory.path}.`,
      `kill ${lock.pid} && npm start   (or, to run both: PALIMPSEST_DATA_DIR=./.palimpsest-2 PORT=8284 npm start)`,
    )
  }
  try {
    const secret = readSecret(directory)
    const binaries = await findPostgresBinaries(directory)
    const durable = options.durable ?? true
    if (!existsSync(directory.cluster)) {
      options.onProgress?.('making the database')
      await createCluster(directory, binaries, { durable, signal: options.signal })
    }
    refuseOtherMajor(directory, binaries)
    const server = new EmbeddedPostgres(directory, binaries, secret, durable, lock)
    await server.launch(begun, options)
    return server
  } catch (error) {
    lock.release()
    if (!options.signal?.aborted) throw error
    throw new EmbeddedPostgresError('aborted', 'The start was stopped.', 'npm start')
  }
}

/** A running server and the exclusive use of its data directory. */
export class EmbeddedPostgres {
  /** The same through every restart. */
  port = 0
  /** True when the server was already running: its owner had been killed. */
  adopted = false
  /** As the server tells it, such as 18.4. */
  version = ''
  startedInMs = 0
  private pid = 0
  private running = false
  private stopping: Promise<void> | null = null
  private readonly listeners: (() => void)[] = []

  constructor(
    private readonly directory: DataDirectory,
    private readonly binaries: PostgresBinaries,
    private readonly secret: string,
    private readonly durable: boolean,
    private readonly lock: OwnerLock,
  ) {}

  /** A login as superuser to the database `palimpsest`. */
  get url(): string {
    return this.urlOf(PALIMPSEST)
  }

  /** Where the data really are. */
  get dataDir(): string {
    return this.directory.path
  }

  /** The directory asked for, when the server's user could not have entered it. */
  get relocatedFrom(): string | null {
    return this.directory.relocatedFrom
  }

  /** Calls back each time the server ends although nobody stopped it. */
  onExit(listener: () => void): void {
    this.listeners.push(listener)
  }

  alive(): boolean {
    return this.running && isServerOf(this.pid, this.directory.cluster)
  }

  /** Adopts or starts the server; on failure nothing of it is left running. */
  async launch(
    begun: number,
    options: Pick<EmbeddedPostgresOptions, 'onProgress' | 'signal'> = {},
  ): Promise<void> {
    const deadline = performance.now() + READY_MS
    const { cluster } = this.directory
    try {
      this.adopted = await this.adopt(deadline)
      if (!this.adopted) {
        disownForeignPid(cluster)
        await this.start(options.signal)
      }
      options.signal?.throwIfAborted()
      this.version = await ensureDatabase(this.urlOf('postgres'), PALIMPSEST)
      options.signal?.throwIfAborted()
    } catch (error) {
      await this.end(options.signal?.aborted ? ABORT_MS : STOP_MS)
      throw error
    }
    this.startedInMs = performance.now() - begun
  }

  /** Starts the server again after it died, on the same port. Data that were committed are there. */
  async restart(signal?: AbortSignal): Promise<void> {
    if (this.stopping) throw new Error('the server was stopped')
    await this.launch(performance.now(), { signal })
  }

  /**
   * Ends the server in an orderly way and gives the data directory free. Past the deadline it is ended
   * at once, and the next start replays its log: no committed data are lost either way.
   */
  stop(options: { deadlineMs?: number } = {}): Promise<void> {
    this.stopping ??= this.end(options.deadlineMs ?? STOP_MS).finally(() => this.lock.release())
    return this.stopping
  }

  /** For a process that must leave now: the server ends by itself within moments. */
  abandon(): void {
    this.stopping ??= Promise.resolve()
    this.signal('SIGQUIT')
    this.lock.release()
  }

  private async adopt(deadline: number): Promise<boolean> {
    for (;;) {
      const found = runningPostmaster(this.directory.cluster)
      if (!found) return false
      if (found.status === 'ready') {
        this.watch(found.pid, found.port)
        if ((await isDurable(this.urlOf('postgres'))) === this.durable) return true
        await this.end(STOP_MS)
        return false
      }
      if (performance.now() > deadline) {
        throw this.tooSlow(`The server left over (process ${found.pid}) is ${found.status}`)
      }
      await wait(POLL_MS)
    }
  }

  private async start(signal?: AbortSignal): Promise<void> {
    const deadline = performance.now() + RETRY_MS
    const fixed = this.port
    for (;;) {
      signal?.throwIfAborted()
      const port = fixed || (await freePort())
      const { child, logFrom } = spawnServer(this.directory, this.binaries, {
        port,
        durable: this.durable,
      })
      if (await this.ready(child, port, signal)) return
      signal?.throwIfAborted()
      const transient = /shared memory block|lock file .* already exists|Address already in use/i
      if (!transient.test(readLog(this.directory, logFrom)) || performance.now() > deadline) {
        throw failure('Postgres could not start', this.directory, logFrom)
      }
      await wait(POLL_MS * 5)
    }
  }

  /** True when the server takes connections, false when it ended instead. */
  private async ready(child: ChildProcess, port: number, signal?: AbortSignal): Promise<boolean> {
    let over = false
    const end = ended(child).then(() => {
      over = true
    })
    const deadline = performance.now() + READY_MS
    while (!over) {
      const found = runningPostmaster(this.directory.cluster)
      if (found?.pid === child.pid && found?.status === 'ready') {
        this.watch(child.pid!, port, end)
        return true
      }
      if (performance.now() > deadline || signal?.aborted) {
        child.kill('SIGQUIT')
        await end
        if (!signal?.aborted) throw this.tooSlow('Postgres is starting')
      } else await wait(POLL_MS)
    }
    return false
  }

  private watch(pid: number, port: number, end?: Promise<void>): void {
    Object.assign(this, { pid, port, running: true })
    const gone = () => {
      if (!this.running || this.pid !== pid) return
      this.running = false
      if (!this.stopping) for (const listener of this.listeners) listener()
    }
    if (end) {
      void end.then(gone)
      return
    }
    // Not our child: the system does not tell us when it ends.
    const timer = setInterval(() => {
      if (isServerOf(pid, this.directory.cluster)) return
      clearInterval(timer)
      gone()
    }, WATCH_MS)
    timer.unref()
  }

  private async end(deadlineMs: number): Promise<void> {
    const { pid } = this
    this.running = false
    if (
      !(await this.gone(pid, 'SIGINT', deadlineMs)) &&
      !(await this.gone(pid, 'SIGQUIT', QUIT_MS))
    )
      this.signal('SIGKILL')
  }

  private async gone(pid: number, name: NodeJS.Signals, deadlineMs: number): Promise<boolean> {
    const deadline = performance.now() + deadlineMs
    this.signal(name)
    while (pid && isServerOf(pid, this.directory.cluster)) {
      if (performance.now() > deadline) return false
      await wait(POLL_MS / 4)
    }
    return true
  }

  private signal(name: NodeJS.Signals): void {
    try {
      if (this.pid && isServerOf(this.pid, this.directory.cluster)) process.kill(this.pid, name)
    } catch {
      // It ended between the look and the signal.
    }
  }

  private urlOf(database: string): string {
    return `postgresql://${PALIMPSEST}:${this.secret}@127.0.0.1:${this.port}/${database}`
  }

  private tooSlow(what: string): EmbeddedPostgresError {
    const log = join(this.directory.path, 'postgres.log')
    return new EmbeddedPostgresError('failed', `${what} for ${READY_MS / 1000} s.`, `less ${log}`)
  }
}

function refuseOtherMajor(directory: DataDirectory, binaries: PostgresBinaries): void {
  const made = Number.parseInt(readFileSync(join(directory.cluster, 'PG_VERSION'), 'utf8'), 10)
  if (made === binaries.major) return
  throw new EmbeddedPostgresError(
    'other_version',
    `The data in ${directory.path} were made by Postgres ${made}; installed is ${binaries.major}.`,
    `mv ${directory.path} ${directory.path}-postgres-${made} && npm start`,
  )
}
