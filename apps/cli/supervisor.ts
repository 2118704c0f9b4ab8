import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Config, readConfig } from '#adapters/config.js'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '#adapters/embedded-postgres.js'
import { ownerOf } from '#adapters/owner-lock.js'
import { prepareSchema } from '#adapters/schema.js'
import { checkDatabase, UNSAFE_DURABILITY_WARNING } from '#postgres/boot-checks.js'
import { APPLICATION_ROLE, createPool } from '#postgres/database.js'
import { displayPath, header, queueStep, ready, seconds, step } from './banner.js'
import { portHolder, portObjection } from './port-holder.js'
import { ServiceProcess } from './service-process.js'
import { explain, StartFailure } from './start-failure.js'

export interface SupervisorOptions {
  readonly env: NodeJS.ProcessEnv
  /** The compiled programs; by default those of this build. */
  readonly entries?: { readonly api: string; readonly worker: string }
  readonly write?: (line: string) => void
}

/** Ctrl-C may arrive twice, from the terminal and through npm: a repeat this soon is the same one. */
const SAME_SIGNAL_MS = 500
/** Together with what follows they stay below the two seconds a person is promised. */
const SERVICES_STOP_MS = 1_000
const POSTGRES_STOP_MS = 600
const WORK_STOP_MS = 800
const PARENT_POLL_MS = 250
const OWN_PORT_MS = 3_000
const RESTARTS_MAX = 5
const RESTART_PAUSE_MS = 1_000
/** A login that may leave its role protects less than one that cannot. */
const ROLE_NOTE = `    The service works as ${APPLICATION_ROLE}; the login of DATABASE_URL owns the tables all the same
    (migrate with a DATABASE_OWNER_URL of its own to set them apart)`

/**
 * Runs Palimpsest on one machine: a Postgres of its own (unless DATABASE_URL names one), one api and
 * one worker, each started again when it dies, all ended together.
 */
export class Supervisor {
  private readonly entries: { readonly api: string; readonly worker: string }
  private readonly write: (line: string) => void
  private readonly aborter = new AbortController()
  private readonly services: ServiceProcess[] = []
  private postgres: EmbeddedPostgres | null = null
  /** The start, or later a repair of Postgres: whatever has to settle before everything can end. */
  private work: Promise<unknown> = Promise.resolve()
  private endingSince: number | null = null

  constructor(private readonly options: SupervisorOptions) {
    const root = packageRoot()
    const built = (app: string) => join(root, 'dist', 'apps', app, 'main.js')
    this.entries = options.entries ?? { api: built('api'), worker: built('worker') }
    this.write = options.write ?? ((line) => process.stdout.write(`${line}\n`))
  }

  /** Starts everything and stays; the process exits when it is told to, or when the start fails. */
  async run(): Promise<void> {
    // Before anything is started: a signal in the first second would leave Postgres behind.
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => this.told())
    for (const name of ['uncaughtException', 'unhandledRejection'] as const) {
      process.on(name, (error) => void this.fail(error))
    }
    // The reader of our output may be gone before us.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
    this.followParent()
    this.work = this.start()
    await this.work.catch((error: unknown) => this.fail(error))
  }

  private async start(): Promise<void> {
    const config = readConfig(this.options.env)
    this.write(header(config, packageVersion()))
    await this.claimPort(config)
    const url = config.databaseUrl ?? (await this.startPostgres(config))
    await this.migrate(config, url)
    await this.checkDatabase(config, url)
    this.aborter.signal.throwIfAborted()
    const port = await this.startServices(config, url)
    this.write(queueStep(config))
    this.write(ready(config, port, performance.now()))
  }

  /** Asked before anything is started. A process of a supervisor that was killed is about to give it free. */
  private async claimPort({ host, port, dataDir }: Config): Promise<void> {
    const deadline = performance.now() + OWN_PORT_MS
    for (;;) {
      const objection = port === 0 ? null : await portObjection(host, port)
      if (!objection) return
      if (objection.code !== 'EADDRINUSE') {
        const command = 'env -u HOST -u PORT npm start'
        throw new StartFailure(`Cannot listen on ${host}:${port}.`, objection.message, command)
      }
      const holder = portHolder(port)
      const ours = holder?.command.includes(this.entries.api) ?? false
      if (!ours || ownerOf(dataDir) || performance.now() > deadline) {
        const what = ours ? 'Palimpsest is already running here.' : `Port ${port} is taken.`
        const who = holder ? `process ${holder.pid} (${holder.command})` : 'another process'
        const elsewhere = ours ? `PALIMPSEST_DATA_DIR=${displayPath(dataDir)}-2 ` : ''
        const command = `${elsewhere}PORT=${port + 1} npm start`
        throw new StartFailure(what, `${who} listens on port ${port}.`, command)
      }
      await wait(PARENT_POLL_MS, undefined, { signal: this.aborter.signal })
    }
  }

  private async startPostgres({ dataDir }: Config): Promise<string> {
    const { signal } = this.aborter
    const server = await startEmbeddedPostgres({ dataDir, signal })
    this.postgres = server
    server.onExit(() => {
      this.work = this.repair(server).catch((error: unknown) => this.fail(error))
    })
    const where = `127.0.0.1:${server.port}${server.adopted ? '  (was still running)' : ''}`
    this.write(step(`Postgres ${server.version}`, where, server.startedInMs))
    if (server.relocatedFrom) {
      this.write(
        `    Its user may not enter ${server.relocatedFrom}: the data are in ${server.dataDir}`,
      )
    }
    return server.url
  }

  private async migrate(config: Config, url: string): Promise<void> {
    const begun = performance.now()
    const { applied } = await prepareSchema(
      config.databaseUrl ? (config.databaseOwnerUrl ?? url) : url,
    )
    const numbers = applied.map((name) => name.split('_')[0])
    const range = numbers.length > 1 ? `${numbers[0]}–${numbers.at(-1)}` : (numbers[0] ?? '')
    this.write(step('Schema', range || 'up to date', performance.now() - begun))
    if (config.databaseUrl && !config.databaseOwnerUrl) this.write(ROLE_NOTE)
  }

  /** Before anything is answered: what api and worker would refuse is told once, with its remedy. */
  private async checkDatabase(config: Config, url: string): Promise<void> {
    const pool = createPool(url, { max: 1 })
    try {
      const durability = await checkDatabase(pool, config)
      if (durability === 'degraded') this.write(`  ✘ ${UNSAFE_DURABILITY_WARNING}`)
    } finally {
      await pool.end()
    }
  }

  /** @returns the port the api listens on. */
  private async startServices(config: Config, url: string): Promise<number> {
    const env: NodeJS.ProcessEnv = { ...this.options.env, DATABASE_URL: url }
    if (!config.databaseUrl) {
      env['PALIMPSEST_EMBEDDED'] = '1'
      delete env['DATABASE_OWNER_URL']
    }
    const { entries, write } = this
    const api = new ServiceProcess({ name: 'api', entry: entries.api, env, write })
    const worker = new ServiceProcess({ name: 'worker', entry: entries.worker, env, write })
    this.services.push(api, worker)
    const [{ port }] = await Promise.all([api.start(), worker.start()])
    return port ?? config.port
  }

  /** Postgres died: the same port again, so that the pools of api and worker find it. */
  private async repair(server: EmbeddedPostgres): Promise<void> {
    const begun = performance.now()
    this.write('  ✘ Postgres ended; starting it again')
    for (let attempt = 1; this.endingSince === null; attempt++) {
      try {
        await server.restart(this.aborter.signal)
        const took = seconds(performance.now() - begun)
        this.write(`  ✔ Postgres is back after ${took}: every answered change is there`)
        return
      } catch (error) {
        if (attempt === RESTARTS_MAX) throw error
        await wait(RESTART_PAUSE_MS, undefined, { signal: this.aborter.signal }).catch(() => {})
      }
    }
  }

  /** When npm is killed nobody tells us; the system gives us another parent. */
  private followParent(): void {
    if (!this.options.env['npm_lifecycle_event']) return
    const parent = process.ppid
    setInterval(() => {
      if (process.ppid !== parent) void this.end(0)
    }, PARENT_POLL_MS).unref()
  }

  private told(): void {
    if (this.endingSince === null) {
      this.write('\n  Stopping; running steps are resumed at the next start.')
      void this.end(0)
      return
    }
    if (performance.now() - this.endingSince < SAME_SIGNAL_MS) return
    this.leave(130)
  }

  private async fail(error: unknown): Promise<void> {
    if (this.endingSince !== null) return
    process.stderr.write(`${explain(error)}\n`)
    await this.end(1)
  }

  private async end(code: number): Promise<void> {
    if (this.endingSince !== null) return
    this.endingSince = performance.now()
    this.aborter.abort()
    await Promise.all(this.services.map((service) => service.stop(SERVICES_STOP_MS)))
    // A start that is under way undoes itself; one that waits for a database ends with it.
    await Promise.race([this.work.catch(() => {}), wait(WORK_STOP_MS)])
    await this.postgres?.stop({ deadlineMs: POSTGRES_STOP_MS })
    process.exit(code)
  }

  /** Now, whatever is not finished. */
  private leave(code: number): void {
    for (const service of this.services) service.kill()
    this.postgres?.abandon()
    process.exit(code)
  }
}

function packageRoot(): string {
  let at = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(at, 'package.json'))) at = dirname(at)
  return at
}

function packageVersion(): string {
  const text = readFileSync(join(packageRoot(), 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
