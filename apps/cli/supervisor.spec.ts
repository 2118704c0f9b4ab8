import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import pg from 'pg'
import { Clone, freePort } from '../../test/support/supervised.js'

const STOP_MS = 2_000
let used: Clone
let clone: Clone

beforeAll(async () => {
  used = await Clone.create()
  const started = used.start()
  await started.ready()
  await started.end()
})
afterAll(() => used.remove())

beforeEach(async () => {
  clone = await Clone.create(used)
})
afterEach(() => clone.remove())

describe('a start without anything set', () => {
  it('says what is simulated first, then where to go, what to try and how to stop; api and worker get its own database', async () => {
    rmSync(clone.dataDir, { recursive: true })
    const started = clone.start({ DATABASE_OWNER_URL: 'postgres://elsewhere/x' })
    await started.ready()
    await started.says(/Stop: {2}Ctrl-C/)
    const [first] = started.output.split('\n')
    expect(first).toMatch(
      /^palimpsest \d+\.\d+\.\d+ .*SIMULATED model and web search.*\.palimpsest/,
    )
    expect(started.output).toMatch(/✔ Postgres 18\.\d/)
    expect(started.output).toContain(`http://localhost:${clone.port}`)
    expect(started.output).toContain('npm run tutorial')
    const report = await clone.api()
    expect(report.PALIMPSEST_EMBEDDED).toBe('1')
    await query(report.DATABASE_URL, 'select count(*) from events')
  })
})

describe('Ctrl-C', () => {
  it('ends everything within two seconds and leaves no process, also when it arrives twice', async () => {
    const started = clone.start()
    await started.ready()
    started.child.kill('SIGINT')
    const end = await started.signal('SIGINT')
    expect(end.code).toBe(0)
    expect(end.tookMs).toBeLessThan(STOP_MS)
    expect(clone.processes()).toEqual([])
  })

  it('keeps that promise when a process does not listen', async () => {
    const started = clone.start({ STUBBORN: '1' })
    await started.ready()
    const end = await started.signal('SIGINT')
    expect(end.tookMs).toBeLessThan(STOP_MS)
    expect(clone.processes()).toEqual([])
  })

  it('leaves nothing behind when Postgres is only just being made', async () => {
    rmSync(clone.dataDir, { recursive: true })
    const started = clone.start()
    await started.says(/palimpsest/)
    const end = await started.signal('SIGINT')
    expect(end.code).toBe(0)
    expect(end.tookMs).toBeLessThan(STOP_MS)
    expect(clone.processes()).toEqual([])
  })
})

describe('after a kill -9', () => {
  it('of the worker, five times in a row, it says why and keeps trying', async () => {
    const started = clone.start()
    await started.ready()
    for (let death = 0; death < 5; death++) {
      const ready =
        death === 0 ? /Ready in/ : new RegExp(`(worker is ready again[\\s\\S]*){${death}}`)
      await started.says(ready)
      process.kill(workerPid(), 'SIGKILL')
    }
    await started.says(/The worker ended 5 times in a row[\s\S]*SIGKILL[\s\S]*Mend it:/)
    await started.says(/(worker is ready again[\s\S]*){5}/)
  })

  it('of the supervisor its processes end, and the next start adopts Postgres', async () => {
    const first = clone.start()
    await first.ready()
    const { DATABASE_URL: url } = await clone.api()
    const postgres = clone.postgresPid()
    await query(url, 'create table kept as select 42 as answer')
    await first.signal('SIGKILL')
    const second = clone.start()
    await second.ready()
    expect(second.output).toContain('was still running')
    expect(clone.postgresPid()).toBe(postgres)
    const again = (await clone.api()).DATABASE_URL
    expect(await query(again, 'select answer from kept')).toEqual([{ answer: 42 }])
    await second.signal('SIGINT')
    expect(clone.processes()).toEqual([])
  })

  it('of npm everything ends', async () => {
    const started = clone.startBelowParent()
    await started.ready()
    const [, parent] = await started.says(/parent (\d+)/)
    process.kill(Number(parent), 'SIGKILL')
    // Closed only when nobody holds the output any more: the supervisor and its processes are gone.
    await started.closed
    expect(clone.processes()).toEqual([])
  })
})

describe('what cannot work is explained with one command and exit code 1', () => {
  it('a taken port, with the process that has it', async () => {
    const holder = createServer().listen(clone.port, '127.0.0.1')
    await once(holder, 'listening')
    try {
      const started = clone.start()
      expect((await started.closed).code).toBe(1)
      expect(started.output).toContain(`Port ${clone.port} is taken`)
      expect(started.output).toContain(`process ${process.pid}`)
      expect(started.output).toContain(`PORT=${clone.port + 1} npm start`)
      expect(started.output).not.toMatch(/^\s+at /m)
    } finally {
      holder.close()
    }
  })

  it('a second start in the same folder, and the first one goes on', async () => {
    const first = clone.start()
    await first.ready()
    const same = clone.start()
    expect((await same.closed).code).toBe(1)
    expect(same.output).toContain('already running here')
    const other = clone.start({ PORT: String(await freePort()) })
    expect((await other.closed).code).toBe(1)
    expect(other.output).toContain(`process ${first.child.pid}`)
    expect(other.output).toMatch(/Mend it: .*npm start/)
    await query((await clone.api()).DATABASE_URL, 'select 1')
  })

  it('data of a newer version', async () => {
    const first = clone.start()
    await first.ready()
    const insert = `insert into kysely_migration (name, timestamp) values ('9999_future', '')`
    await query((await clone.api()).DATABASE_URL, insert)
    await first.signal('SIGINT')
    const second = clone.start()
    expect((await second.closed).code).toBe(1)
    expect(second.output).toMatch(/newer version[\s\S]*9999_future[\s\S]*git pull && npm start/)
    expect(clone.processes()).toEqual([])
  })

  it('a worker that cannot start, in its own words', async () => {
    const started = clone.start({ WORKER_FAILS: '1' })
    expect((await started.closed).code).toBe(1)
    expect(started.output).toMatch(/worker could not start[\s\S]*no ink[\s\S]*buy ink/)
    expect(clone.processes()).toEqual([])
  })

  it('every fault of the environment at once', async () => {
    const started = clone.start({ PORT: 'x', PALIMPSEST_TURNS: '0' })
    expect((await started.closed).code).toBe(1)
    expect(started.output).toMatch(/PORT must be[\s\S]*PALIMPSEST_TURNS must be[\s\S]*Mend it:/)
  })

  it('a database that does not answer, without its password', async () => {
    const url = `postgres://me:secret@127.0.0.1:${clone.port}/x`
    const started = clone.start({ DATABASE_URL: url })
    expect((await started.closed).code).toBe(1)
    expect(started.output).toMatch(/does not answer[\s\S]*env -u DATABASE_URL npm start/)
    expect(started.output).not.toContain('secret')
  })
})

function workerPid(): number {
  return clone.processes().find(({ command }) => command.includes(clone.entry('worker')))!.pid
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
