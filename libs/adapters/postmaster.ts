import { type ChildProcess, spawn } from 'node:child_process'
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type DataDirectory, secretPath } from './data-directory.js'
import { EmbeddedPostgresError } from './embedded-postgres-error.js'
import type { PostgresBinaries } from './postgres-binaries.js'
import { processCommand, processDirectory, processStart } from './process-identity.js'

/** The superuser, and the name of the database. */
export const PALIMPSEST = 'palimpsest'

/** Below the range from which systems take ports for outgoing connections: a server that is started
 * again finds its own port free. */
const PORTS = { first: 20_000, count: 12_000 } as const
/** A worker may take 20 of them, an api process 30: a dozen workers beside one server. */
const CONNECTIONS_MAX = 400
const LOG_BYTES_MAX = 8 * 1024 * 1024
/** Larger than any process id. */
const PID_OF_NOBODY = 2_147_483_647
const INITIAL = 'postgres.new-'

/** What a running server says of itself in postmaster.pid. */
export interface Postmaster {
  readonly pid: number
  readonly port: number
  /** starting, ready, standby or stopping. */
  readonly status: string
}

/** The server of a cluster as its postmaster.pid names it, if that process lives and is this cluster's. */
export function runningPostmaster(cluster: string): Postmaster | null {
  const path = join(cluster, 'postmaster.pid')
  if (!existsSync(path)) return null
  const lines = readFileSync(path, 'utf8').split('\n')
  const pid = Number(lines[0])
  if (!isServerOf(pid, cluster)) return null
  return { pid, port: Number(lines[3]), status: (lines[7] ?? '').trim() }
}

/**
 * Mends a postmaster.pid whose process id belongs to somebody else by now, as after a reboot: Postgres
 * would refuse to start. The file itself stays, because by its other lines Postgres makes sure that no
 * helper of the dead server still writes; one that names a process that is gone it handles itself.
 */
export function disownForeignPid(cluster: string): void {
  const path = join(cluster, 'postmaster.pid')
  if (!existsSync(path)) return
  const text = readFileSync(path, 'utf8')
  const pid = Number.parseInt(text, 10)
  if (processStart(pid) === null || isServerOf(pid, cluster)) return
  // Where the system hides another user's directory, only the name can tell, and it must be certain.
  if (processDirectory(pid) === null && /postgres/.test(processCommand(pid) ?? 'postgres')) return
  writeFileSync(path, text.replace(/^-?\d+/, String(PID_OF_NOBODY)))
}

/** Whether a process is the server of a cluster: a process id alone may have been given away. */
export function isServerOf(pid: number, cluster: string): boolean {
  if (processStart(pid) === null) return false
  const directory = processDirectory(pid)
  if (directory !== null) return directory === realpathSync(cluster)
  return processCommand(pid)?.includes(cluster) ?? false
}

/**
 * Makes the cluster on first use. It is made under another name and renamed when whole, so an
 * interrupted first start leaves nothing that looks like data.
 */
export async function createCluster(
  directory: DataDirectory,
  binaries: PostgresBinaries,
  options: { durable: boolean; signal?: AbortSignal },
): Promise<void> {
  options.signal?.throwIfAborted()
  clearDrafts(directory)
  const draft = join(directory.path, `${INITIAL}${process.pid}`)
  mkdirSync(draft, { mode: 0o700 })
  if (directory.user) chownSync(draft, directory.user.uid, directory.user.gid)
  const args = ['-D', draft, '-U', PALIMPSEST, `--pwfile=${secretPath(directory)}`]
  // The same collation on every system: by code point, with Unicode's own upper and lower case.
  args.push('--auth=scram-sha-256', '--encoding=UTF8', '--locale=C')
  args.push('--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--no-instructions')
  if (!options.durable) args.push('--no-sync')
  const log = openLog(directory)
  try {
    const initdb = launch(binaries.initdb, args, directory, log.fd)
    const abort = () => killGroup(initdb)
    options.signal?.addEventListener('abort', abort, { once: true })
    const code = await ended(initdb)
    options.signal?.removeEventListener('abort', abort)
    options.signal?.throwIfAborted()
    if (code !== 0) throw failure('Postgres could not make its files', directory, log.from)
    renameSync(draft, directory.cluster)
  } finally {
    closeSync(log.fd)
    rmSync(draft, { recursive: true, force: true })
  }
}

/** Removes what interrupted first starts left. One whose owner was killed may still be writing: it stays. */
function clearDrafts(directory: DataDirectory): void {
  for (const name of readdirSync(directory.path)) {
    if (!name.startsWith(INITIAL)) continue
    try {
      rmSync(join(directory.path, name), { recursive: true, force: true })
    } catch {
      // The next first start removes it.
    }
  }
}

/** Starts the server; `logFrom` is where its own lines begin in the log. */
export function spawnServer(
  directory: DataDirectory,
  binaries: PostgresBinaries,
  options: { port: number; durable: boolean },
): { child: ChildProcess; logFrom: number } {
  const switched = options.durable ? 'on' : 'off'
  const settings: Record<string, string | number> = {
    listen_addresses: '127.0.0.1',
    port: options.port,
    // A path of a socket may have about 100 bytes: a deep folder would not fit.
    unix_socket_directories: '',
    max_connections: CONNECTIONS_MAX,
    fsync: switched,
    synchronous_commit: switched,
    full_page_writes: switched,
    jit: 'off',
    log_checkpoints: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
  }
  // On macOS a plain fsync leaves the data in the drive's own cache.
  if (process.platform === 'darwin' && options.durable) {
    settings['wal_sync_method'] = 'fsync_writethrough'
  }
  const args = ['-D', directory.cluster]
  for (const [name, value] of Object.entries(settings)) args.push('-c', `${name}=${value}`)
  const log = openLog(directory)
  try {
    const child = launch(binaries.postgres, args, directory, log.fd)
    // A program that forgets to stop it may still end.
    child.unref()
    return { child, logFrom: log.from }
  } finally {
    closeSync(log.fd)
  }
}

/** What a program wrote to the log from a place on. */
export function readLog(directory: DataDirectory, from: number): string {
  return readFileSync(logPath(directory)).subarray(from).toString('utf8')
}

/** An error that carries what the program itself said. */
export function failure(what: string, directory: DataDirectory, from: number) {
  const said = readLog(directory, from).trim().split('\n')
  const fatal = said.filter((line) => /FATAL|PANIC|error/i.test(line))
  const words = (fatal.length > 0 ? fatal : said).slice(-3).join('\n    ')
  const path = logPath(directory)
  return new EmbeddedPostgresError('failed', `${what}. It said:\n    ${words}`, `less ${path}`)
}

/** Resolves with the exit code, or -1 when a signal or a failed start ended it. */
export function ended(child: ChildProcess): Promise<number> {
  if (child.exitCode !== null || child.signalCode !== null) {
    return Promise.resolve(child.exitCode ?? -1)
  }
  return new Promise((resolve) => {
    child.once('exit', (code) => resolve(code ?? -1))
    child.once('error', () => resolve(-1))
  })
}

/** A port nobody listens on now; another process may still take it first. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count)
    if (await isFree(port)) return port
  }
  throw new Error(`no free port found from ${PORTS.first} on`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () =>
      server.close(() => resolve(true)),
    )
  })
}

/** A session of its own, so that Ctrl-C in a terminal reaches us and not the server. */
function launch(
  program: string,
  args: readonly string[],
  directory: DataDirectory,
  log: number,
): ChildProcess {
  const child = spawn(program, args, {
    detached: true,
    cwd: directory.path,
    // Nothing of ours: PGPORT, PGDATA and the like would change what it does.
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
    stdio: ['ignore', log, log],
    ...(directory.user && { uid: directory.user.uid, gid: directory.user.gid }),
  })
  // A program that cannot be started at all reports here; `ended` tells the caller.
  child.on('error', () => {})
  return child
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid) process.kill(-child.pid, 'SIGKILL')
  } catch {
    // Already gone.
  }
}

function openLog(directory: DataDirectory): { fd: number; from: number } {
  const path = logPath(directory)
  if (existsSync(path) && statSync(path).size > LOG_BYTES_MAX) renameSync(path, `${path}.1`)
  const fd = openSync(path, 'a', 0o600)
  return { fd, from: statSync(path).size }
}

function logPath(directory: DataDirectory): string {
  return join(directory.path, 'postgres.log')
}
