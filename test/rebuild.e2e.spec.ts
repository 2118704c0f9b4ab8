import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Pool } from 'pg'
import type { BlockState } from '#domain/block-state.js'
import { apply } from '#domain/text.js'
import { firstBroken } from '#event-store/chain.js'
import { foldStream, readChain, readStream } from '#event-store/stream-reader.js'
import { createPool } from '#postgres/database.js'
import { checkReadModels, rebuildReadModels } from '#read-models/rebuild.js'
import { newClient } from './support/clients.js'
import { type Product, startProduct } from './support/product.js'

const TABLES = ['blocks', 'agents', 'attachments', 'schedules', 'turns', 'steps', 'messages']
let product: Product
let pool: Pool
let blockId: string

beforeAll(async () => {
  product = await startProduct()
  pool = createPool(product.databaseUrl, { max: 2 })
  const client = newClient(product.url)
  const block = await client.createBlock({
    label: 'organization',
    value: 'Organization: Letta',
    limit: 4000,
  })
  const gone = await client.createBlock({ label: 'gone', value: 'x' })
  blockId = block.id
  for (const name of ['Agent1', 'Agent2']) {
    const agent = await client.createAgent({
      name,
      blockIds: [block.id, gone.id],
      tools: ['web_search'],
    })
    for (const topic of ['the origin of Letta', 'memory blocks']) {
      const ask = `Find information about ${topic}.\nInsert what you learn into the memory block, prepended with "${name}: ".`
      await client.send(agent.id, ask)
    }
  }
  const send = (method: string, path: string, body?: object): Promise<Response> =>
    fetch(`${product.url}${path}`, {
      method,
      ...(body
        ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
        : {}),
    })
  await send('PATCH', `/v1/blocks/${block.id}`, {
    label: 'company',
    value: 'Organization: Letta\n\u{1f642}',
  })
  await send('POST', `/v1/blocks/${block.id}/replace`, {
    old_string: 'Letta',
    new_string: 'MemGPT',
  })
  await send('DELETE', `/v1/blocks/${gone.id}`)
  const agents = (await (await send('GET', '/v1/agents')).json()) as { id: string }[]
  for (const { id } of agents) {
    await send('POST', `/v1/agents/${id}/schedules`, { cron: '0 0 1 1 *', input: 'A new year.' })
  }
  await send('DELETE', `/v1/agents/${agents[0]?.id}`)
})

afterAll(async () => {
  await pool.end()
  await product.close()
})

async function dump(): Promise<Record<string, string[]>> {
  const entries = TABLES.map(async (table) => {
    const { rows } = await pool.query(`select t::text as row from ${table} t order by 1`)
    return [table, rows.map((r) => r.row)] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}

describe('the log', () => {
  it('rebuilds every read model to the same rows, byte for byte', async () => {
    const before = await dump()
    for (const table of TABLES) expect(before[table]?.length).toBeGreaterThan(0)
    await rebuildReadModels(pool, 'default')
    expect(await dump()).toEqual(before)
  })

  it('is what a rebuild reads: a row that was tampered with is put right', async () => {
    const before = await dump()
    await pool.query(`update blocks set label = 'forged'`)
    await pool.query(`delete from messages`)
    expect(await dump()).not.toEqual(before)
    await rebuildReadModels(pool, 'default')
    expect(await dump()).toEqual(before)
  })

  it('is rebuilt beside writers: they go on, and afterwards every row is what the log gives', async () => {
    await pool.query(`update turns set status = 'queued' where status = 'completed'`)
    const before = await checkReadModels(pool, 'default')
    expect(before.differences).toBeGreaterThan(0)
    expect(before.first?.table).toBe('turns')
    const client = newClient(product.url)
    let writing = true
    const writes = (async () => {
      let made = 0
      for (; writing; made++) await client.createBlock({ label: `b${made}`, value: '' })
      return made
    })()
    for (let round = 0; round < 3; round++) {
      await rebuildReadModels(pool, 'default')
      expect(await checkReadModels(pool, 'default')).toMatchObject({ differences: 0, first: null })
    }
    writing = false
    expect(await writes).toBeGreaterThan(0)
  })

  it('gives the block at every version as the fold of its effects', async () => {
    const events = await readStream(pool, 'default', blockId, { limit: 1000, order: 'asc' })
    let value = ''
    for (const event of events) {
      value = apply(value, (event.payload as { effect: [] }).effect)
      const response = await fetch(
        `${product.url}/v1/blocks/${blockId}?at_version=${event.version}`,
      )
      const block = (await response.json()) as { value: string; version: number }
      expect(block).toMatchObject({ value, version: event.version })
      const folded = await foldStream(pool, 'default', blockId, event.version)
      expect((folded.state as BlockState).value).toBe(value)
    }
    expect(events.length).toBeGreaterThan(8)
  })

  it('chains every event of every stream', async () => {
    const { rows } = await pool.query('select stream_id from streams')
    for (const { stream_id } of rows) {
      expect(firstBroken(await readChain(pool, 'default', stream_id))).toBeNull()
    }
  })
})
