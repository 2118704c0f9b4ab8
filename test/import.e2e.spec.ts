import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals'
import type { Pool } from 'pg'
import { auditDirectory } from '#adapters/audit-directory.js'
import { ChangeAgent, ChangeAgentHandler } from '#commands/change-agent.js'
import { ChangeTurn, ChangeTurnHandler } from '#commands/change-turn.js'
import { importLog } from '#event-store/import.js'
import { createPool } from '#postgres/database.js'
import { project } from '#read-models/projection.js'
import { claimMailbox, renewLease } from '#turns/mailbox.js'
import { loadBulkLog } from './support/bulk-log.js'
import { newClient } from './support/clients.js'
import {
  contents,
  eventCount,
  exportedLines,
  type ImportTarget,
  openImportTarget,
} from './support/imported.js'
import { by, openLog, tenantId } from './support/log.js'
import { type Product, startProduct } from './support/product.js'
import { restOf } from './support/rest.js'
import { untilSigned } from './support/signed.js'
import { queuedPayload, requested } from './support/turn-commands.js'

let product: Product
let pool: Pool
let out: string
let path: string
let blockId: string

jest.setTimeout(120_000)

beforeAll(async () => {
  out = mkdtempSync(join(tmpdir(), 'palimpsest-import-'))
  path = join(out, 'log.jsonl')
  product = await startProduct()
  pool = createPool(product.databaseUrl, { max: 2 })
  const client = newClient(product.url)
  const rest = restOf(product.port)
  const block = await client.createBlock({ label: 'organization', value: 'Organization: Letta' })
  blockId = block.id
  const gone = await client.createBlock({ label: 'gone', value: 'x' })
  for (const name of ['Agent1', 'Agent2']) {
    const blockIds = [blockId, gone.id]
    const agent = await client.createAgent({ name, blockIds, tools: ['web_search'] })
    for (const topic of ['the origin of Letta', 'memory blocks']) {
      const ask = `Find information about ${topic}.\nInsert what you learn into the memory block, prepended with "${name}: ".`
      await client.send(agent.id, ask)
    }
  }
  const text = `\u{1f642} ${'long '.repeat(600)}`
  await rest('PATCH', `/v1/blocks/${blockId}`, { label: 'company', value: text })
  await rest('DELETE', `/v1/blocks/${gone.id}`)
  await untilSigned(product.databaseUrl)
  expect(await run(product.databaseUrl, 'export', '--out', path)).toMatchObject({ code: 0 })
})

afterAll(async () => {
  await pool.end()
  await product.close()
  rmSync(out, { recursive: true, force: true })
})

/** Runs the built command on a database. */
function start(url: string, ...args: string[]) {
  const dataDir = product.config.dataDir
  const env = { ...process.env, DATABASE_URL: url, PALIMPSEST_DATA_DIR: dataDir }
  const child = spawn(process.execPath, [join('dist', 'apps', 'cli', 'main.js'), ...args], { env })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, ended: ended.then((code) => ({ code, stdout, stderr })) }
}

function run(url: string, ...args: string[]) {
  return start(url, ...args).ended
}

describe('the command', () => {
  let other: Product

  beforeAll(async () => {
    other = await startProduct()
  })

  afterAll(() => other.close())

  it('brings a log into the database of a running service, which goes on with it', async () => {
    const key = auditDirectory(product.config.dataDir).publicKey
    const first = await run(other.databaseUrl, 'import', path, '--json', '--dry-run')
    const events = await eventCount(pool)
    expect(first.code).toBe(0)
    expect(JSON.parse(first.stdout)).toMatchObject({ ok: true, new: events, dry_run: true })
    const imported = await run(other.databaseUrl, 'import', path, '--public-key', key)
    expect(imported.stderr).toBe('')
    expect(imported).toMatchObject({ code: 0, stdout: expect.stringContaining('✔ Imported') })
    const target = createPool(other.databaseUrl, { max: 2 })
    expect(await contents(target)).toEqual(await contents(pool))
    const again = await run(other.databaseUrl, 'import', path)
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('0 new') })
    expect(await contents(target)).toEqual(await contents(pool))
    await target.end()
    expect(await run(other.databaseUrl, 'rebuild', '--check')).toMatchObject({ code: 0 })
  })

  it('leaves blocks that are read and edited, agents that are asked, and turns that are listed', async () => {
    const [theirs, ours] = [restOf(product.port), restOf(other.port)]
    for (const read of [`/v1/blocks/${blockId}`, '/v1/agents', '/v1/runs', '/v1/blocks']) {
      const [here, there] = [await ours('GET', read), await theirs('GET', read)]
      expect(here.body).toEqual(there.body)
      expect(here.status).toBe(200)
    }
    const insert = { new_string: 'Still here.' }
    const edit = await ours('POST', `/v1/blocks/${blockId}/insert`, insert)
    expect(edit.status).toBeLessThan(300)
    const { rows } = await pool.query('select agent_id from agents order by created_at limit 1')
    const agentId = rows[0].agent_id as string
    const runs = (await ours('GET', `/v1/runs?agent_id=${agentId}`)).body as unknown as unknown[]
    await newClient(other.url).send(agentId, 'hello')
    const later = (await ours('GET', `/v1/runs?agent_id=${agentId}`)).body as unknown as unknown[]
    expect(later.length).toBe(runs.length + 1)
    expect(await run(other.databaseUrl, 'rebuild', '--check')).toMatchObject({ code: 0 })
    expect(other.logged).toEqual([])
  })

  it('refuses a file that was altered, naming the place, and one that does not belong here', async () => {
    const altered = join(out, 'altered.jsonl')
    writeFileSync(
      altered,
      readFileSync(path, 'utf8').replace('Organization: Letta', 'Organization: Other'),
    )
    const target = await openImportTarget()
    expect(await run(target.url, 'import', altered)).toMatchObject({
      code: 7,
      stdout: expect.stringMatching(
        /payload at place 0, position \d+: .*\n[\s\S]*Nothing was imported/,
      ),
    })
    const json = await run(target.url, 'import', altered, '--json')
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, reason: 'unverified', found: 1 })
    expect(await run(target.url, 'import', path, '--tenant', 'other')).toMatchObject({ code: 1 })
    expect(await run(target.url, 'import', join(out, 'none'))).toMatchObject({ code: 3 })
    expect(await run(target.url, 'import')).toMatchObject({ code: 2 })
    expect(await eventCount(target.pool)).toBe(0)
    await target.close()
  })
})

describe('an export that was interrupted', () => {
  it('verifies and is imported once it is resumed, wherever it was cut', async () => {
    const whole = readFileSync(path)
    const wanted = await contents(pool)
    const key = auditDirectory(product.config.dataDir).publicKey
    const cuts = [0, whole.length >> 1, whole.length - 1]
    for (const [i, cut] of cuts.entries()) {
      const file = join(out, `cut-${i}.jsonl`)
      writeFileSync(file, whole.subarray(0, cut))
      const resume = () => run(product.databaseUrl, 'export', '--out', file, '--resume')
      expect(await resume()).toMatchObject({ code: 0 })
      expect(await resume()).toMatchObject({ code: 0 })
      expect(
        await run(product.databaseUrl, 'verify', '--export', file, '--key', key),
      ).toMatchObject({ code: 0 })
      const target = await openImportTarget()
      await target.import(readFileSync(file, 'utf8').trimEnd().split('\n'))
      expect(await contents(target.pool)).toEqual(wanted)
      await target.close()
    }
  })

  it('is not gone on with as something else', async () => {
    const block = join(out, 'block.jsonl')
    expect(
      await run(product.databaseUrl, 'export', '--out', block, '--block', blockId),
    ).toMatchObject({ code: 0 })
    const before = readFileSync(block, 'utf8')
    const resumed = await run(product.databaseUrl, 'export', '--out', block, '--resume')
    expect(resumed).toMatchObject({ code: 2, stderr: expect.stringContaining(blockId) })
    const tenant = ['--tenant', 'other'] as const
    expect(
      await run(product.databaseUrl, 'export', '--out', path, '--resume', ...tenant),
    ).toMatchObject({ code: 2 })
    expect(readFileSync(block, 'utf8')).toBe(before)
  })
})

describe('kill -9 of an import', () => {
  it('leaves a valid log, and the same command again ends with the whole', async () => {
    const log = await openLog()
    const owner = createPool(log.url, { max: 1, settings: { role: 'none' } })
    await loadBulkLog(owner, { events: 4_000, blocks: 150 })
    await owner.end()
    const file = join(out, 'bulk.jsonl')
    expect(await run(log.url, 'export', '--out', file)).toMatchObject({ code: 0 })
    const target = await openImportTarget()
    const { child, ended } = start(target.url, 'import', file)
    while ((await eventCount(target.pool)) === 0) expect(child.exitCode).toBeNull()
    child.kill('SIGKILL')
    await ended
    const there = await eventCount(target.pool)
    expect(there).toBeLessThan(4_000)
    expect(await target.verify()).toMatchObject({ ok: true, events: there })
    expect(await target.differences()).toBe(0)
    expect(await run(target.url, 'import', file)).toMatchObject({ code: 0 })
    expect(await target.verify()).toMatchObject({ ok: true, events: 4_000 })
    expect(await target.differences()).toBe(0)
    await target.close()
    await log.close()
  })
})

describe('a turn that had not ended', () => {
  let lines: string[]
  let agentId: string
  let target: ImportTarget

  beforeAll(async () => {
    const log = await openLog()
    const writer = log.openWriter()
    agentId = `agent-${randomUUID()}`
    const runId = `run-${randomUUID()}`
    const settings = { name: 'a', system: '', model: 'm' }
    const create = {
      type: 'CreateAgent',
      settings,
      tools: [],
      blockIds: [],
      newBlocks: [],
    } as const
    await new ChangeAgentHandler(writer).execute(new ChangeAgent(agentId, create, by))
    const turns = new ChangeTurnHandler(writer)
    const payload = { ...queuedPayload(), agent_id: agentId }
    await turns.execute(new ChangeTurn(runId, agentId, { type: 'QueueTurn', payload }, by))
    await renewLease(log.reads, 'old')
    for (let claims = 0; claims < 3; claims++)
      await claimMailbox(log.reads, tenantId, agentId, 'old')
    const begin = { type: 'StartTurn', workerId: 'old', first: requested(1) } as const
    await turns.execute(new ChangeTurn(runId, agentId, begin, { ...by, epoch: 3 }))
    await writer.close()
    lines = await exportedLines(log.reads)
    await log.close()
    target = await openImportTarget()
    await renewLease(target.pool, 'new')
  })

  afterAll(() => target.close())

  const claim = () => claimMailbox(target.pool, tenantId, agentId, 'new')

  it('is kept from workers until all of it is there, and goes on under a newer claim than it had', async () => {
    const early: unknown[] = []
    // While the export is read for the second time each event before is committed, or soon will be.
    let reading = 0
    const watched = async function* (): AsyncGenerator<string> {
      reading += 1
      for (const line of lines) {
        if (reading === 2) early.push(await claim())
        yield line
      }
    }
    await importLog(target.pool, watched, { tenantId, project, keys: null, batchEvents: 1 })
    expect(early.length).toBe(lines.length)
    expect(early.filter((claimed) => claimed !== null)).toEqual([])
    expect(await claim()).toMatchObject({ claim: { agentId, epoch: 4 } })
  })

  it('would be taken up at once if its mailbox were not held (control arm)', async () => {
    const open = await openImportTarget()
    await renewLease(open.pool, 'new')
    await open.importUntil(3, lines, 1)
    expect(await claimMailbox(open.pool, tenantId, agentId, 'new')).toBeNull()
    await open.pool.query(`update mailboxes set not_before = null`)
    expect(await claimMailbox(open.pool, tenantId, agentId, 'new')).not.toBeNull()
    await open.close()
  })
})
