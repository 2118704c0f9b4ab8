import { spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import pg from 'pg'
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.js'
import { isServerOf } from './postmaster.js'
import { processStart } from './process-identity.js'

const asRoot = process.getuid?.() === 0 ? it : it.skip
let home: string
let dataDir: string
const running = new Set<EmbeddedPostgres>()

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'palimpsest-embedded-'))
  chmodSync(home, 0o711)
  dataDir = join(home, '.palimpsest')
})

afterEach(async () => {
  for (const server of running) await server.stop()
  running.clear()
  rmSync(home, { recursive: true, force: true })
})

describe('the embedded Postgres', () => {
  it('is durable unless told otherwise, and asks for a password only we can read', async () => {
    const server = await start()
    const settings = await query(
      server.url,
      `select name, setting from pg_settings
       where name in ('fsync', 'full_page_writes', 'synchronous_commit') order by name`,
    )
    expect(settings.map((row) => row['setting'])).toEqual(['on', 'on', 'on'])
    expect(server.version).toMatch(/^18\./)
    expect(statSync(join(dataDir, 'postgres.secret')).mode & 0o777).toBe(0o600)
    const stranger = new URL(server.url)
    stranger.password = 'guess'
    await expect(query(stranger.href, 'select 1')).rejects.toMatchObject({ code: '28P01' })
  })

  it('gives up durability for tests only, and takes it back at the next start', async () => {
    const fast = await start({ durable: false })
    expect(await query(fast.url, 'show fsync')).toEqual([{ fsync: 'off' }])
    await fast.stop()
    const safe = await start()
    expect(await query(safe.url, 'show fsync')).toEqual([{ fsync: 'on' }])
  })

  it('keeps its data between two starts', async () => {
    const first = await start()
    await query(first.url, 'create table kept as select 42 as answer')
    await first.stop()
    expect(first.alive()).toBe(false)
    const second = await start()
    expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }])
  })

  it('tells when it was killed, and comes back on its port with every commit', async () => {
    const server = await start()
    await query(server.url, 'create table kept as select 42 as answer')
    const { port } = server
    const exited = new Promise<void>((resolve) => server.onExit(resolve))
    process.kill(serverPid(dataDir), 'SIGKILL')
    await exited
    expect(server.alive()).toBe(false)
    await server.restart()
    expect(server.port).toBe(port)
    expect(await query(server.url, 'select answer from kept')).toEqual([{ answer: 42 }])
  })

  it('explains a second start on the same data and leaves the first alone', async () => {
    const server = await start()
    await expect(start()).rejects.toMatchObject({
      reason: 'in_use',
      message: expect.stringContaining(`process ${process.pid}`),
    })
    expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('adopts the server of an owner that was killed', async () => {
    const first = await start()
    await query(first.url, 'create table kept as select 42 as answer')
    const pid = serverPid(dataDir)
    // What a kill -9 leaves: a server, and the lock of a process that is gone.
    writeFileSync(join(dataDir, 'owner.lock'), JSON.stringify({ pid: 2 ** 22 + 1, startedAt: '1' }))
    const second = await start()
    expect(second.adopted).toBe(true)
    expect(serverPid(dataDir)).toBe(pid)
    expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }])
    await second.stop()
    expect(processStart(pid)).toBeNull()
  })

  it('takes over the lock of a dead process whose id now belongs to another', async () => {
    mkdirSync(dataDir)
    chmodSync(dataDir, 0o711)
    const held = JSON.stringify({ pid: process.pid, startedAt: 'another time' })
    writeFileSync(join(dataDir, 'owner.lock'), held)
    expect((await start()).alive()).toBe(true)
  })

  it('starts over a stale postmaster.pid, also when the id belongs to another program', async () => {
    const first = await start()
    await first.stop()
    const path = join(dataDir, 'postgres', 'postmaster.pid')
    const bystander = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
      cwd: home,
      stdio: 'ignore',
    })
    const text = `${bystander.pid}\n${join(dataDir, 'postgres')}\n1\n${first.port}\n\n127.0.0.1\n\nready\n`
    try {
      writeFileSync(path, text)
      const { uid, gid } = statSync(join(dataDir, 'postgres'))
      chownSync(path, uid, gid)
      const second = await start()
      expect(second.adopted).toBe(false)
      expect(isServerOf(bystander.pid!, join(dataDir, 'postgres'))).toBe(false)
      expect(bystander.exitCode ?? bystander.signalCode).toBeNull()
    } finally {
      bystander.kill('SIGKILL')
    }
  })

  it('leaves nothing running when its start is stopped half-way', async () => {
    const aborter = new AbortController()
    const onProgress = () => aborter.abort()
    const attempt = start({ signal: aborter.signal, onProgress })
    await expect(attempt).rejects.toMatchObject({ reason: 'aborted' })
    expect(existsSync(join(dataDir, 'postgres'))).toBe(false)
    expect((await start()).alive()).toBe(true)
  })

  asRoot(
    'uses a directory its user can enter when a parent bars the way, and finds it again',
    async () => {
      const closed = join(home, 'closed')
      mkdirSync(closed, { mode: 0o700 })
      dataDir = join(closed, '.palimpsest')
      const first = await start()
      try {
        expect(first.relocatedFrom).toBe(dataDir)
        expect(first.dataDir).toMatch(/^\/var\/tmp\/palimpsest-closed-/)
        await query(first.url, 'create table kept as select 42 as answer')
        await first.stop()
        const second = await start()
        expect(second.dataDir).toBe(first.dataDir)
        expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }])
        await second.stop()
      } finally {
        rmSync(first.dataDir, { recursive: true, force: true })
      }
    },
  )

  asRoot('does not hide data behind an empty directory when a parent is closed later', async () => {
    const first = await start()
    await first.stop()
    chmodSync(home, 0o700)
    await expect(start()).rejects.toMatchObject({
      reason: 'not_enterable',
      hint: `chmod o+x ${home}`,
    })
  })
})

async function start(
  options: Partial<Parameters<typeof startEmbeddedPostgres>[0]> = {},
): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir, ...options })
  running.add(server)
  return server
}

function serverPid(directory: string): number {
  return Number.parseInt(readFileSync(join(directory, 'postgres', 'postmaster.pid'), 'utf8'), 10)
}

async function query(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(statement)).rows
  } finally {
    await client.end()
  }
}
