import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import pg from 'pg'
import { auditDirectory } from '#adapters/audit-directory.js'
import { leafHash, verifyConsistency, verifyInclusion } from '#event-store/merkle.js'
import { newClient } from './support/clients.js'
import { type Product, startProduct } from './support/product.js'
import { type Rest, restOf } from './support/rest.js'
import { untilSigned } from './support/signed.js'

let product: Product
let rest: Rest
let blockId: string
let out: string
let owner: pg.Client

beforeAll(async () => {
  product = await startProduct()
  rest = restOf(product.port)
  out = mkdtempSync(join(tmpdir(), 'palimpsest-audit-'))
  owner = new pg.Client({ connectionString: product.databaseUrl })
  await owner.connect()
  const client = newClient(product.url)
  const block = await client.createBlock({ label: 'organization', value: 'Organization: Letta' })
  blockId = block.id
  const agent = await client.createAgent({ name: 'Agent1', blockIds: [blockId], tools: [] })
  await client.send(agent.id, 'hello')
  await untilSigned(product.databaseUrl)
})

afterAll(async () => {
  await owner.end()
  await product.close()
  rmSync(out, { recursive: true, force: true })
  expect(product.logged).toEqual([])
})

/** What Node alone takes to start and end, in ms: the better of two. */
async function bareStart(): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < 2; i++) {
    const begun = performance.now()
    const child = spawn(process.execPath, ['-e', '0'])
    await new Promise((resolve) => child.once('close', resolve))
    times.push(performance.now() - begun)
  }
  return Math.min(...times)
}

/** Runs the built command against this database. */
async function palimpsest(...args: string[]) {
  const begun = performance.now()
  const env = {
    ...process.env,
    DATABASE_URL: product.databaseUrl,
    PALIMPSEST_DATA_DIR: product.config.dataDir,
  }
  const child = spawn(process.execPath, [join('dist', 'apps', 'cli', 'main.js'), ...args], { env })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, stdout, stderr, tookMs: performance.now() - begun }
}

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

interface Checkpoint {
  readonly size: number
  readonly root: string
}

describe('the routes', () => {
  it('list signed checkpoints, page by page', async () => {
    const all = (await rest('GET', '/v1/audit/checkpoints')).body
    expect(all).toMatchObject({ object: 'list', has_more: false, next_cursor: null })
    const sizes = (all.data as Checkpoint[]).map(({ size }) => size)
    expect(sizes).toEqual([...sizes].sort((a, b) => a - b))
    const page = (await rest('GET', '/v1/audit/checkpoints?limit=1&order=desc')).body
    expect((page.data as Checkpoint[])[0]?.size).toBe(sizes.at(-1))
    expect((await rest('GET', '/v1/audit/checkpoints?after=x')).body).toMatchObject({
      code: 'invalid_cursor',
    })
  })

  it('prove that the newest event of a block is in the log that was signed', async () => {
    const { body } = await rest('GET', `/v1/blocks/${blockId}/proof`)
    const checkpoint = body.checkpoint as Checkpoint
    const tree = { size: checkpoint.size, root: hex(checkpoint.root) }
    const leaf = { index: body.index as number, hash: leafHash(hex(body.hash as string)) }
    expect(verifyInclusion(tree, leaf, (body.proof as string[]).map(hex))).toBe(true)
    expect((await rest('GET', `/v1/blocks/${blockId}/proof?version=99`)).body).toMatchObject({
      code: 'version_from_future',
    })
  })

  it('prove that the log only grew', async () => {
    const first = (await rest('GET', '/v1/audit/checkpoints?limit=1')).body.data as Checkpoint[]
    const last = (await rest('GET', '/v1/audit/checkpoints?limit=1&order=desc')).body
      .data as Checkpoint[]
    const [from, to] = [first[0] as Checkpoint, last[0] as Checkpoint]
    const { body } = await rest('GET', `/v1/audit/consistency?from=${from.size}&to=${to.size}`)
    const tree = ({ size, root }: Checkpoint) => ({ size, root: hex(root) })
    expect(verifyConsistency(tree(from), tree(to), (body.proof as string[]).map(hex))).toBe(true)
  })

  it('verify a block, and name the place that was changed', async () => {
    expect((await rest('GET', `/v1/blocks/${blockId}/verify`)).body).toMatchObject({
      verified: true,
      version: 2,
      signed_version: 2,
      first_bad: null,
    })
    await owner.query('set session_replication_role = replica')
    const swap = `update events set actor = json_build_object('kind', actor->>'kind', 'id', $2::text)
                   where stream_id = $1 and version = 2`
    const { rows } = await owner.query(
      `select actor->>'id' as id from events where stream_id = $1 and version = 2`,
      [blockId],
    )
    await owner.query(swap, [blockId, 'forged'])
    expect((await rest('GET', `/v1/blocks/${blockId}/verify`)).body).toMatchObject({
      verified: false,
      first_bad: { version: 2, kind: 'header' },
    })
    const verify = await palimpsest('verify')
    expect(verify).toMatchObject({ code: 7, stdout: expect.stringContaining('header at place') })
    await owner.query(swap, [blockId, rows[0].id])
    expect((await rest('GET', `/v1/blocks/${blockId}/verify`)).body).toMatchObject({
      verified: true,
    })
  })

  it('tell that the database may lose what it acknowledged, since it was allowed to', async () => {
    expect((await rest('GET', '/health/ready')).body).toMatchObject({ durability: 'degraded' })
  })
})

describe('the command', () => {
  it('helps in a few times the start of Node itself, and refuses what it does not know', async () => {
    const bareMs = await bareStart()
    const help = await palimpsest('--help')
    expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining('verify') })
    // A ratio: the machine that runs this runs other things too.
    expect(help.tookMs).toBeLessThan(6 * bareMs)
    expect(await palimpsest('nonsense')).toMatchObject({ code: 2, stdout: '' })
    expect(await palimpsest('verify', '--nonsense')).toMatchObject({ code: 2, stdout: '' })
  })

  it('verifies the log online', async () => {
    const { code, stdout } = await palimpsest('verify', '--json')
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, found: 0, findings: [] })
    expect(code).toBe(0)
    expect(JSON.parse(stdout).covered).toBe(JSON.parse(stdout).events)
  })

  it('exports the log, goes on where it was interrupted, and verifies the file by itself', async () => {
    const path = join(out, 'log.jsonl')
    expect(await palimpsest('export', '--out', path)).toMatchObject({ code: 0 })
    expect(await palimpsest('export', '--out', path)).toMatchObject({ code: 2 })
    const whole = readFileSync(path, 'utf8')
    writeFileSync(path, whole.slice(0, Math.floor(whole.length / 2)))
    const key = auditDirectory(product.config.dataDir).publicKey
    const verify = () => palimpsest('verify', '--export', path, '--key', key)
    expect(await verify()).toMatchObject({ code: 7 })
    expect(await palimpsest('export', '--out', path, '--resume')).toMatchObject({ code: 0 })
    expect(await verify()).toMatchObject({ code: 0, stdout: expect.stringContaining('Verified') })
    expect(await palimpsest('export', '--block', blockId)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('"inclusion":{'),
    })
  })

  it('compares and rebuilds read models, and names the first row that differs', async () => {
    expect(await palimpsest('rebuild', '--check')).toMatchObject({ code: 0 })
    await owner.query(`update blocks set label = 'forged'`)
    const check = await palimpsest('rebuild', 'blocks', '--check', '--json')
    expect(JSON.parse(check.stdout)).toMatchObject({ differences: 1, first: { table: 'blocks' } })
    expect(check.code).toBe(7)
    expect(await palimpsest('rebuild', 'blocks', '--json')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('"mended":1'),
    })
    expect(await palimpsest('rebuild', '--check')).toMatchObject({ code: 0 })
    expect(await palimpsest('rebuild', 'nothing')).toMatchObject({ code: 3 })
  })
})
