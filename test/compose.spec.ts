import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { DCLinter } from 'dclint'
import pg from 'pg'
import { parse } from 'yaml'
import { readConfig } from '#adapters/config.js'
import { openApi } from '../apps/api/api.js'
import { createTestDatabase, type TestDatabase } from './support/database.js'

interface Service {
  readonly image: string
  readonly command?: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly ports?: readonly string[]
}

const FILE = 'docker-compose.yml'
/** The test cluster flushes nothing. */
const UNSAFE = { PALIMPSEST_ALLOW_UNSAFE_DURABILITY: '1' }
const source = readFileSync(FILE, 'utf8')
const file = parse(source, { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>
  readonly configs: { readonly roles: { readonly content: string } }
}

/** What the schema of the Compose Specification objects to; `dclint` carries that schema. */
function faults(text: string): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'palimpsest-compose-'))
  try {
    const path = join(folder, FILE)
    writeFileSync(path, text)
    const linter = new DCLinter({ rules: {}, quiet: true, debug: false, exclude: [] })
    const [result] = linter.lintFiles([path], false)
    if (!result) throw new Error('nothing was looked at')
    // Its own types do not resolve under Node's rules for modules.
    const messages = result.messages as { readonly type: string; readonly message: string }[]
    return messages.filter(({ type }) => type === 'error').map(({ message }) => message)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** As Compose fills them in when nothing is set. */
function interpolated(text: string): string {
  return text.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1').replaceAll('$$', '$')
}

describe('docker-compose.yml', () => {
  it('fits the schema of the Compose Specification', () => {
    expect(faults(source)).toEqual([])
    expect(faults(source.replace('read_only:', 'readonly:'))).toHaveLength(1)
    expect(faults(source.replace('service_completed_successfully', 'done'))).toHaveLength(1)
  })

  it('starts nothing before what it needs is ready, and the schema is there', () => {
    const { services } = file
    expect(Object.keys(services).sort()).toEqual(['api', 'migrate', 'postgres', 'redis', 'worker'])
    for (const name of ['api', 'worker']) {
      expect(services[name]?.depends_on).toEqual({
        postgres: { condition: 'service_healthy' },
        redis: { condition: 'service_healthy' },
        migrate: { condition: 'service_completed_successfully' },
      })
    }
    for (const [name, service] of Object.entries(services)) {
      expect([name, service.healthcheck !== undefined]).toEqual([name, name !== 'migrate'])
    }
  })

  it('runs programs that the build makes, with an environment they accept', () => {
    for (const name of ['migrate', 'api', 'worker']) {
      const service = file.services[name] as Service
      const [node, program] = service.command as [string, string]
      expect(node).toBe('node')
      expect(existsSync(program.replace(/^dist\/(.*)\.js$/, '$1.ts'))).toBe(true)
      const entries = Object.entries(service.environment)
      const env = Object.fromEntries(entries.map(([key, value]) => [key, interpolated(value)]))
      expect(() => readConfig(env)).not.toThrow()
    }
  })

  it('opens the api to its host alone, and not without a key', () => {
    const api = file.services['api'] as Service
    expect(api.ports).toEqual(['127.0.0.1:8283:8283'])
    expect(api.environment['PALIMPSEST_API_KEY']).toMatch(/^\$\{PALIMPSEST_API_KEY:\?.+\}$/)
    const published = Object.values(file.services).filter(({ ports }) => ports !== undefined)
    expect(published).toEqual([api])
  })
})

describe('the login of api and worker', () => {
  let database: TestDatabase
  let url: string

  beforeAll(async () => {
    database = await createTestDatabase()
    // The migrated database has palimpsest_app already.
    await execute(
      database.url,
      interpolated(file.configs.roles.content).replace(/^.*nologin;$/m, ''),
    )
    const service = new URL(database.url)
    const named = new URL(interpolated(file.services['api']?.environment['DATABASE_URL'] as string))
    Object.assign(service, { username: named.username, password: named.password })
    url = service.href
  })

  afterAll(async () => {
    await execute(database.url, 'drop role palimpsest_service')
    await database.drop()
  })

  it('can serve, and can neither make a table nor change an event', async () => {
    const env = { ...UNSAFE, DATABASE_URL: url, PORT: '0', PALIMPSEST_SIMULATED: 'always' }
    const logged: string[] = []
    // The wake queue is on Redis there; here its errors are all there is to log.
    const log = (message: string, error?: unknown): void => void logged.push(`${message} ${error}`)
    const api = await openApi(readConfig(env), url, { log })
    try {
      const response = await fetch(`${api.url}/v1/blocks/`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ label: 'notes', value: 'first' }),
      })
      expect([response.status, await response.json()]).toMatchObject([200, { version: 1 }])
    } finally {
      await api.close()
    }
    expect(logged).toEqual([])
    const role = `set role palimpsest_app;`
    const denied = expect.objectContaining({ code: '42501' })
    await expect(execute(url, 'create table mine ()')).rejects.toEqual(denied)
    await expect(execute(url, `${role} update events set type = 'x'`)).rejects.toEqual(denied)
    await expect(execute(url, `${role} delete from events`)).rejects.toEqual(denied)
    await expect(execute(url, `${role} truncate events`)).rejects.toEqual(denied)
  })

  it("is enough for the worker's health check, which fails until a worker has signed in", async () => {
    expect(await check('worker', { DATABASE_URL: url })).not.toBe(0)
    const lease = `clock_timestamp() + interval '10 seconds'`
    await execute(
      database.url,
      `insert into workers (worker_id, lease_until) values ('w', ${lease})`,
    )
    expect(await check('worker', { DATABASE_URL: url })).toBe(0)
    await execute(database.url, 'update workers set lease_until = clock_timestamp()')
    expect(await check('worker', { DATABASE_URL: url })).not.toBe(0)
  })

  it("the api's health check passes once it serves, key or not, and fails when nothing listens", async () => {
    const key = 'a key of the operator'
    const env = { ...UNSAFE, DATABASE_URL: url, PORT: '0', PALIMPSEST_API_KEY: key }
    const api = await openApi(readConfig(env), url, { log: () => {} })
    const port = { PORT: String(api.port) }
    try {
      expect(await check('api', port)).toBe(0)
    } finally {
      await api.close()
    }
    expect(await check('api', port)).not.toBe(0)
  })
})

async function execute(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

/** Runs a service's health check here. Resolves with its exit code. */
async function check(name: string, env: Readonly<Record<string, string>>): Promise<number> {
  const [cmd, node, ...args] = (file.services[name] as Service).healthcheck!.test
  expect([cmd, node]).toEqual(['CMD', 'node'])
  const child = spawn(process.execPath, args.map(interpolated), {
    env: { ...process.env, ...env },
    stdio: 'ignore',
  })
  const [code] = (await once(child, 'exit')) as [number]
  return code
}
