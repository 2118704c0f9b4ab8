import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import pg from 'pg'
import { createPool } from '#postgres/database.js'
import { project } from '#read-models/projection.js'
import { type CuttingProxy, startCuttingProxy } from '../../test/support/cutting-proxy.js'
import { RawWriter, until } from '../../test/support/feed-load.js'
import { insertion, openLog, type TestLog, tenantId } from '../../test/support/log.js'
import { firstBroken } from './chain.js'
import { readChain } from './stream-reader.js'
import { WRITER_CONNECTIONS, WRITER_SETTINGS, Writer } from './writer.js'

const COMMANDS = 100
/** Replies of one repeated transaction: fewer, and no attempt would ever get through. */
const CUT_EVERY = 7
let log: TestLog
let proxy: CuttingProxy

beforeAll(async () => {
  log = await openLog()
  proxy = await startCuttingProxy(log.url)
})

afterAll(async () => {
  await proxy.close()
  await log.close()
})

describe('a lost reply to a commit', () => {
  it.each([
    ['under a caller’s id', true],
    ['without any id', false],
  ])('%s: nothing is written twice and nothing is missing', async (_how, withIds) => {
    const blockId = await log.createBlock(log.openWriter(), 'first')
    const writes = createPool(proxy.url, { max: WRITER_CONNECTIONS, settings: WRITER_SETTINGS })
    const writer = new Writer({ writes, reads: log.reads, project })
    proxy.every(CUT_EVERY)
    const before = proxy.cuts
    for (let i = 0; i < COMMANDS; i++) {
      const command = withIds ? { id: `${blockId}/${i}`, fingerprint: Buffer.from('a') } : undefined
      const verdict = await writer.submit(insertion(blockId, `line ${i}`, command))
      expect(verdict).toMatchObject({ status: 'ok', result: i + 2 })
    }
    proxy.every(0)
    expect(proxy.cuts - before).toBeGreaterThan(COMMANDS / 10)
    const expected = ['first', ...Array.from({ length: COMMANDS }, (_, i) => `line ${i}`)]
    expect((await log.valueOf(blockId)).split('\n')).toEqual(expected)
    expect(firstBroken(await readChain(log.reads, tenantId, blockId))).toBeNull()
    await writes.end()
  })

  it('is settled, and not called busy, while somebody else holds the stream', async () => {
    const blockId = await log.createBlock(log.openWriter(), 'first')
    const writes = createPool(proxy.url, { max: WRITER_CONNECTIONS, settings: WRITER_SETTINGS })
    const writer = new Writer({ writes, reads: log.reads, project })
    const holder = await RawWriter.open(log.url)
    await holder.begin()
    proxy.every(1)
    const before = proxy.cuts
    const submitted = writer.submit(insertion(blockId, 'once'))
    await until(() => proxy.cuts > before)
    proxy.every(0)
    await holder.lock(blockId)
    expect(await submitted).toMatchObject({ status: 'ok', result: 2 })
    await holder.rollback()
    await holder.close()
    expect(await log.valueOf(blockId)).toBe('first\nonce')
    await writer.close()
    await writes.end()
  })

  it('control: a client that just tries again writes twice', async () => {
    const direct = new pg.Client({ connectionString: log.url })
    await direct.connect()
    await direct.query('create table naive (n int)')
    proxy.every(CUT_EVERY)
    for (let n = 0; n < COMMANDS; n++) {
      for (let done = false; !done; ) {
        const client = new pg.Client({ connectionString: proxy.url })
        client.on('error', () => {})
        done = await client
          .connect()
          .then(() => client.query('insert into naive values ($1)', [n]))
          .then(() => true)
          .catch(() => false)
        await client.end().catch(() => {})
      }
    }
    proxy.every(0)
    const { rows } = await direct.query('select count(*)::int as n from naive')
    await direct.end()
    expect(rows[0].n).toBeGreaterThan(COMMANDS)
  })
})
