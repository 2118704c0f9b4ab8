import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** A stand-in for api and worker: small, with the behaviour of the real ones towards the supervisor. */
const API = `
import { createServer } from 'node:http'
if (process.env.STUBBORN) process.on('SIGINT', () => {})
else process.on('SIGINT', () => process.exit(0))
process.on('disconnect', () => process.exit(0))
const { DATABASE_URL, PALIMPSEST_EMBEDDED } = process.env
const server = createServer((_, reply) => reply.end(JSON.stringify({ pid: process.pid, DATABASE_URL, PALIMPSEST_EMBEDDED })))
server.listen(Number(process.env.PORT), '127.0.0.1', () => process.send({ type: 'ready', port: server.address().port }))
`
const WORKER = `
process.on('SIGINT', () => process.exit(0))
process.on('disconnect', () => process.exit(0))
if (process.env.WORKER_FAILS) {
  process.send({ type: 'failed', message: 'no ink', hint: 'buy ink' }, () => process.exit(1))
} else {
  setInterval(() => {}, 1000)
  process.send({ type: 'ready' })
}
`

/** What the api's stand-in tells about itself. */
export interface ApiReport {
  readonly pid: number
  readonly DATABASE_URL: string
  readonly PALIMPSEST_EMBEDDED?: string
}

/** A folder as a clone has it: data of its own, a free port, the built supervisor with stand-ins. */
export class Clone {
  readonly home = mkdtempSync(join(tmpdir(), 'palimpsest-supervised-'))
  readonly dataDir = join(this.home, '.palimpsest')
  private readonly started: Supervised[] = []

  private constructor(
    readonly port: number,
    product: 'stand-ins' | 'real',
  ) {
    chmodSync(this.home, 0o711)
    mkdirSync(join(this.home, 'apps'))
    writeFileSync(join(this.home, 'apps', 'api.mjs'), API)
    writeFileSync(join(this.home, 'apps', 'worker.mjs'), WORKER)
    const supervisor = pathToFileURL(join(process.cwd(), 'dist', 'apps', 'cli', 'supervisor.js'))
    const entries = { api: this.entry('api'), worker: this.entry('worker') }
    const options =
      product === 'real'
        ? '{ env: process.env }'
        : `{ env: process.env, entries: ${JSON.stringify(entries)} }`
    writeFileSync(
      join(this.home, 'start.mjs'),
      `import { Supervisor } from ${JSON.stringify(supervisor.href)}
await new Supervisor(${options}).run()\n`,
    )
  }

  /**
   * @param used a clone that ran once: its data are copied, which spares making them.
   * @param product the real api and worker of the build instead of the stand-ins.
   */
  static async create(used?: Clone, product: 'stand-ins' | 'real' = 'stand-ins'): Promise<Clone> {
    const clone = new Clone(await freePort(), product)
    if (used) execFileSync('cp', ['-a', used.dataDir, clone.dataDir])
    return clone
  }

  entry(app: 'api' | 'worker'): string {
    return join(this.home, 'apps', `${app}.mjs`)
  }

  start(env: NodeJS.ProcessEnv = {}): Supervised {
    const supervised = new Supervised(this.launch(process.execPath, ['start.mjs'], env))
    this.started.push(supervised)
    return supervised
  }

  /** Starts it as npm does: with a parent in between, which prints its own process id first. */
  startBelowParent(): Supervised {
    const script = `import { spawn } from 'node:child_process'
console.log('parent', process.pid)
spawn(process.execPath, ['start.mjs'], { stdio: 'inherit' })`
    const args = ['--input-type=module', '-e', script]
    const child = this.launch(process.execPath, args, { npm_lifecycle_event: 'start' })
    const supervised = new Supervised(child)
    this.started.push(supervised)
    return supervised
  }

  async api(): Promise<ApiReport> {
    const reply = await fetch(`http://127.0.0.1:${this.port}/`, {
      headers: { connection: 'close' },
    })
    return (await reply.json()) as ApiReport
  }

  postgresPid(): number {
    return Number.parseInt(
      readFileSync(join(this.dataDir, 'postgres', 'postmaster.pid'), 'utf8'),
      10,
    )
  }

  /** Every process that works in this folder, or runs with a path of it on its command line. */
  processes(): { pid: number; command: string }[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => ({ pid: Number(pid), command: commandOf(pid), folder: folderOf(pid) }))
      .filter(({ command, folder }) => command.includes(this.home) || folder === this.home)
  }

  async remove(): Promise<void> {
    for (const supervised of this.started) await supervised.end()
    rmSync(this.home, { recursive: true, force: true, maxRetries: 10 })
  }

  private launch(program: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
    const { PATH, HOME } = process.env
    return spawn(program, args, {
      cwd: this.home,
      env: { PATH, HOME, PORT: String(this.port), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }
}

/** A supervisor that runs, and what it says. */
export class Supervised {
  output = ''
  /** Resolves when the process is gone and everybody who held its output is too. */
  readonly closed: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  private readonly waiting = new Set<() => void>()

  constructor(readonly child: ChildProcess) {
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (chunk) => {
        this.output += chunk
        for (const check of this.waiting) check()
      })
    }
    this.closed = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        resolve({ code, signal })
        for (const check of this.waiting) check()
      })
    })
  }

  /** Resolves when the output holds a pattern; rejects when the process ends without it. */
  says(pattern: RegExp): Promise<RegExpMatchArray> {
    return new Promise((resolve, reject) => {
      const check = () => {
        const match = this.output.match(pattern)
        const over = this.child.exitCode !== null || this.child.signalCode !== null
        if (!match && !over) return
        this.waiting.delete(check)
        if (match) resolve(match)
        else reject(new Error(`ended without saying ${pattern}:\n${this.output}`))
      }
      this.waiting.add(check)
      check()
    })
  }

  ready(): Promise<RegExpMatchArray> {
    return this.says(/Ready in/)
  }

  /** Sends a signal and resolves with how it ended and how long that took, in milliseconds. */
  async signal(name: NodeJS.Signals) {
    const begun = performance.now()
    this.child.kill(name)
    const end = await this.closed
    return { ...end, tookMs: performance.now() - begun }
  }

  async end(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.signal('SIGTERM')
    else await this.closed
  }
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

function folderOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return ''
  }
}

/** A port that nobody listened on just now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
