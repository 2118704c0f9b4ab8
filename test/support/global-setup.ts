import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import pg from 'pg'

/** What teardown has to end; kept on the global object, the one thing set-up and teardown share. */
export interface TestRun {
  readonly ends: (() => Promise<void>)[]
}

const TEMPLATE = 'palimpsest_test_template'
const DIRECTORY = 'palimpsest-test-'
const REDIS_PID = 'redis.pid'

/**
 * Once per run: one Postgres (DATABASE_URL names one to use instead of starting it), one migrated
 * template database, and one Redis where there is one. Specs read where they are from the environment.
 *
 * Jest loads this file without its module map, so the libraries come from the build.
 */
export default async function globalSetup(): Promise<void> {
  if (!existsSync(join('dist', 'libs', 'adapters', 'embedded-postgres.js'))) {
    execFileSync(process.execPath, [join('apps', 'cli', 'prepare.mjs')], { stdio: 'inherit' })
  }
  const run: TestRun = { ends: [] }
  Object.assign(globalThis, { palimpsestTestRun: run })
  await sweepAbandoned()
  process.env['PALIMPSEST_TEST_SERVER_URL'] = process.env['DATABASE_URL'] ?? (await postgres(run))
  process.env['PALIMPSEST_TEST_TEMPLATE'] = await template(run)
  const redisUrl = process.env['REDIS_URL'] ?? (await redis(run))
  if (redisUrl) process.env['PALIMPSEST_TEST_REDIS_URL'] = redisUrl
}

async function postgres(run: TestRun): Promise<string> {
  const { startEmbeddedPostgres } = await import('#adapters/embedded-postgres.js')
  const dataDir = mkdtempSync(join(tmpdir(), DIRECTORY))
  // As root the server runs as another user, who must be able to pass through.
  chmodSync(dataDir, 0o711)
  const server = await startEmbeddedPostgres({ dataDir, durable: false })
  run.ends.push(async () => {
    await server.stop()
    rmSync(dataDir, { recursive: true, force: true })
  })
  return server.url
}

/** Ends the servers of runs that were killed: nothing else would. */
async function sweepAbandoned(): Promise<void> {
  const { ownerOf } = await import('#adapters/owner-lock.js')
  for (const name of readdirSync(tmpdir())) {
    const path = join(tmpdir(), name)
    if (!name.startsWith(DIRECTORY) || !existsSync(join(path, 'owner.lock'))) continue
    if (ownerOf(path)) continue
    try {
      for (const pid of await serversIn(path)) process.kill(pid, 'SIGQUIT')
      rmSync(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    } catch {
      // It belongs to another user, or another run sweeps it too.
    }
  }
}

async function serversIn(path: string): Promise<number[]> {
  const { runningPostmaster } = await import('#adapters/postmaster.js')
  const { processCommand } = await import('#adapters/process-identity.js')
  const postmaster = runningPostmaster(join(path, 'postgres'))
  const pidFile = join(path, REDIS_PID)
  const redisPid = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0
  const isRedis = redisPid > 0 && processCommand(redisPid)?.includes('redis-server')
  return [...(postmaster ? [postmaster.pid] : []), ...(isRedis ? [redisPid] : [])]
}

/** Migrated once; nobody may connect to it, because a database with sessions cannot be copied. */
async function template(run: TestRun): Promise<string> {
  const { prepareSchema } = await import('#adapters/schema.js')
  const server = process.env['PALIMPSEST_TEST_SERVER_URL']!
  const name = process.env['DATABASE_URL'] ? `${TEMPLATE}_${process.pid}` : TEMPLATE
  await execute(server, `create database ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  await prepareSchema(url.href)
  await execute(server, `alter database ${name} with allow_connections false`)
  if (process.env['DATABASE_URL']) {
    run.ends.push(() => execute(server, `drop database if exists ${name}`))
  }
  return name
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

async function redis(run: TestRun): Promise<string | null> {
  const program = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((directory) => join(directory, 'redis-server'))
    .find((path) => existsSync(path))
  if (!program) return null
  const { takeOwnerLock } = await import('#adapters/owner-lock.js')
  const dir = mkdtempSync(join(tmpdir(), DIRECTORY))
  takeOwnerLock(dir)
  const port = await freePort()
  const pidfile = join(dir, REDIS_PID)
  const settings = { port, bind: '127.0.0.1', dir, pidfile, save: '', appendonly: 'no' }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  run.ends.push(async () => {
    const gone = new Promise((resolve) => child.once('exit', resolve))
    if (child.exitCode === null && child.kill('SIGTERM')) await gone
    rmSync(dir, { recursive: true, force: true })
  })
  await accepting(child)
  return `redis://127.0.0.1:${port}`
}

function accepting(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = ''
    child.stdout?.on('data', (chunk) => {
      said += chunk
      if (said.includes('Ready to accept connections')) resolve()
    })
    child.once('exit', () => reject(new Error(`redis-server ended:\n${said}`)))
    child.once('error', reject)
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
