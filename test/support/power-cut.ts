import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DataDirectory, openDataDirectory, type ServerUser } from '#adapters/data-directory.js'
import { findPostgresBinaries, type PostgresBinaries } from '#adapters/postgres-binaries.js'
import { ensureDatabase } from '#adapters/postgres-superuser.js'
import { freePort, isServerOf, runningPostmaster } from '#adapters/postmaster.js'
import { processDirectory } from '#adapters/process-identity.js'
import { prepareSchema } from '#adapters/schema.js'
import { until } from './feed-load.js'
import type { MortalServer } from './kill-round.js'
import { killPostgres } from './killed-postgres.js'

/** Server settings, such as `fsync`. */
export type Settings = Readonly<Record<string, string | number>>

/** A server whose power is cut: what is then on its disk is what it had synced. */
export interface PoweredServer extends MortalServer {
  close(): Promise<void>
}

const NAME = 'palimpsest'
/** The end of a server's log, for the message when it did not start. */
const LOG_LINES = 5
const SEGMENT = /^[0-9A-F]{24}$/
/** Small segments: the shadow copies one at every sync, and a round fills several. */
const SEGMENT_MB = 1
/**
 * Data files keep whatever was written to them, which is a legal state after a power cut only while
 * nothing in them or in the control file is newer than the log that is left: so nothing writes them back.
 */
const ONLY_THE_LOG_IS_WRITTEN: Settings = {
  wal_sync_method: 'fdatasync',
  wal_recycle: 'off',
  checkpoint_timeout: '1d',
  max_wal_size: '64GB',
  bgwriter_lru_maxpages: 0,
  autovacuum: 'off',
}

/** Makes servers, each a copy of one migrated cluster, that can lose their power. Linux only. */
export class PowerCuts {
  #made = 0

  private constructor(
    private readonly directory: DataDirectory,
    private readonly binaries: PostgresBinaries,
    private readonly shim: string,
  ) {}

  static async open(): Promise<PowerCuts> {
    const path = mkdtempSync(join(tmpdir(), 'palimpsest-power-'))
    chmodSync(path, 0o711)
    const shim = compile(path)
    const directory = openDataDirectory(path)
    const cuts = new PowerCuts(directory, await findPostgresBinaries(directory), shim)
    const { user } = directory
    const template = cuts.#ownFolder('template')
    const args = ['-D', template, '-U', NAME, '--auth=trust', '--encoding=UTF8', '--locale=C']
    args.push('--no-sync', `--wal-segsize=${SEGMENT_MB}`)
    run(cuts.binaries.initdb, args, { cwd: directory.path, ...as(user) })
    const server = await cuts.#start(template, {}, {})
    await ensureDatabase(urlOf(server.port, 'postgres'), NAME)
    await prepareSchema(urlOf(server.port, NAME))
    await stop(server.pid, template)
    return cuts
  }

  /** @param settings of the server until its power is cut. */
  async server(settings: Settings): Promise<PoweredServer> {
    const number = ++this.#made
    const cluster = this.#ownFolder(`cluster-${number}`)
    const shadow = this.#ownFolder(`shadow-${number}`)
    run('cp', ['-a', `${join(this.directory.path, 'template')}/.`, cluster])
    // The template was stopped in an orderly way: its log counts as synced.
    keepSegments(join(cluster, 'pg_wal'), shadow, this.directory.user)
    const env = { LD_PRELOAD: this.shim, POWER_CUT_SHADOW: shadow }
    let { pid, port, ended } = await this.#start(cluster, settings, env)
    return {
      url: urlOf(port, NAME),
      kill: async (atOnce) => {
        await killPostgres(pid, atOnce)
        // Until its exit is fetched its process id counts as taken, and the next start is refused.
        await ended
        await until(() => !anybodyIn(cluster))
        leaveWhatWasSynced(join(cluster, 'pg_wal'), shadow)
      },
      restart: async () => {
        ;({ pid, port, ended } = await this.#start(cluster, {}, {}, port))
      },
      close: async () => {
        await stop(pid, cluster)
        for (const folder of [cluster, shadow]) rmSync(folder, { recursive: true, force: true })
      },
    }
  }

  close(): void {
    rmSync(this.directory.path, { recursive: true, force: true })
  }

  async #start(
    cluster: string,
    settings: Settings,
    env: Record<string, string>,
    port?: number,
  ): Promise<{ pid: number; port: number; ended: Promise<unknown> }> {
    const at = port ?? (await freePort())
    const args = ['-D', cluster]
    const where = { listen_addresses: '127.0.0.1', port: at, unix_socket_directories: '' }
    for (const [name, value] of Object.entries({
      ...where,
      ...ONLY_THE_LOG_IS_WRITTEN,
      ...settings,
    }))
      args.push('-c', `${name}=${value}`)
    const log = openSync(`${cluster}.log`, 'a')
    const child = spawn(this.binaries.postgres, args, {
      cwd: this.directory.path,
      env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC', ...env },
      stdio: ['ignore', log, log],
      ...as(this.directory.user),
    })
    let over = false
    const ended = once(child, 'exit').then(() => {
      over = true
    })
    await until(() => over || runningPostmaster(cluster)?.status === 'ready')
    if (over) {
      const said = readFileSync(`${cluster}.log`, 'utf8').trim().split('\n')
      throw new Error(`Postgres ended: ${said.slice(-LOG_LINES).join('\n')}`)
    }
    return { pid: child.pid as number, port: at, ended }
  }

  #ownFolder(name: string): string {
    const path = join(this.directory.path, name)
    mkdirSync(path, { mode: 0o700 })
    const { user } = this.directory
    if (user) chownSync(path, user.uid, user.gid)
    return path
  }
}

function compile(folder: string): string {
  const program = ['cc', 'gcc', 'clang'].find((name) => spawnSync(name, ['--version']).status === 0)
  if (!program) {
    throw new Error(
      'The power cut is emulated by a few lines of C, and there is no C compiler: apt-get install gcc libc6-dev',
    )
  }
  const shim = join(folder, 'power-cut.so')
  const source = join('test', 'support', 'power-cut.c')
  run(program, ['-shared', '-fPIC', '-O2', '-Wall', '-Werror', '-o', shim, source, '-ldl'])
  chmodSync(shim, 0o755)
  return shim
}

function keepSegments(log: string, shadow: string, user: ServerUser | null): void {
  for (const name of readdirSync(log).filter((file) => SEGMENT.test(file))) {
    cpSync(join(log, name), join(shadow, name))
    if (user) chownSync(join(shadow, name), user.uid, user.gid)
  }
}

/** Segments become what was synced of them; those that never were, and drafts of segments, are gone. */
function leaveWhatWasSynced(log: string, shadow: string): void {
  for (const name of readdirSync(log)) {
    const synced = join(shadow, name)
    if (existsSync(synced)) copyFileSync(synced, join(log, name))
    else if (SEGMENT.test(name) || name.startsWith('xlogtemp')) rmSync(join(log, name))
  }
}

/** A session that was only just being opened ends by itself, a moment after the others. */
function anybodyIn(cluster: string): boolean {
  return readdirSync('/proc').some((pid) => processDirectory(Number(pid)) === cluster)
}

async function stop(pid: number, cluster: string): Promise<void> {
  if (isServerOf(pid, cluster)) process.kill(pid, 'SIGINT')
  await until(() => !isServerOf(pid, cluster))
}

function urlOf(port: number, database: string): string {
  return `postgresql://${NAME}@127.0.0.1:${port}/${database}`
}

function as(user: ServerUser | null): { uid?: number; gid?: number } {
  return user ? { uid: user.uid, gid: user.gid } : {}
}

function run(program: string, args: readonly string[], options: object = {}): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8', ...options })
  if (status !== 0) throw new Error(`${program} failed: ${error?.message ?? stderr}`)
}
