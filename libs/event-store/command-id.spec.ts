import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setImmediate as nextRound } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { ChangeBlock, ChangeBlockHandler } from '#commands/change-block.js'
import type { CommandMetadata } from '#commands/metadata.js'
import { RawWriter, rawStreams, until } from '../../test/support/feed-load.js'
import { by, insertion, openLog, type TestLog } from '../../test/support/log.js'

let log: TestLog

beforeAll(async () => {
  log = await openLog()
})

afterAll(() => log.close())

describe('a command id', () => {
  const command = (id: string, print = 'a') => ({ id, fingerprint: Buffer.from(print) })

  it('is applied once: before, after and while the first is in flight, the first answer comes back', async () => {
    const writer = log.openWriter()
    const blockId = await log.createBlock(writer, 'first')
    const id = randomUUID()
    const racing = await Promise.all(
      Array.from({ length: 5 }, () => writer.submit(insertion(blockId, 'once', command(id)))),
    )
    const late = await log.openWriter().submit(insertion(blockId, 'once', command(id)))
    for (const verdict of [...racing, late])
      expect(verdict).toMatchObject({ status: 'ok', result: 2 })
    expect(await log.valueOf(blockId)).toBe('first\nonce')
  })

  it('sent twice into one group makes a thing once, and both get the first answer', async () => {
    const writer = log.openWriter()
    const create = { type: 'CreateBlock', value: 'x', settings: { label: 'notes' } } as const
    const made = (id: string, from: CommandMetadata) =>
      new ChangeBlockHandler(writer).execute(new ChangeBlock(id, create, from))
    // While somebody else's insert of a head is undecided, a flush waits, and a group gathers behind it.
    const holder = await RawWriter.open(log.url)
    await holder.begin()
    const [held] = await rawStreams(holder.client, 1)
    const first = made(held as string, by)
    const waiting = `select from pg_locks
      where not granted and transactionid = pg_current_xact_id()::xid`
    await until(async () => (await holder.client.query(waiting)).rowCount === 1)
    const blockId = `block-${randomUUID()}`
    const twice = { ...by, command: command(randomUUID()) }
    const read = once(log.reads, 'release')
    const both = [made(blockId, twice), made(blockId, twice)]
    await read
    await nextRound()
    await holder.rollback()
    await holder.close()
    expect(await first).toMatchObject({ ok: true })
    for (const outcome of await Promise.all(both)) {
      expect(outcome).toMatchObject({ ok: true, value: { version: 1 } })
    }
  })

  it('gives a refusal again, although the command would now succeed', async () => {
    const writer = log.openWriter()
    const blockId = await log.createBlock(writer, 'full', 4)
    const id = randomUUID()
    const refused = await writer.submit(insertion(blockId, 'more', command(id)))
    const raise = { type: 'PatchBlock', settings: { limit: 100 } } as const
    await new ChangeBlockHandler(writer).execute(new ChangeBlock(blockId, raise, by))
    const again = await writer.submit(insertion(blockId, 'more', command(id)))
    expect(again).toMatchObject({
      status: 'rejected',
      replayed: true,
      rejection: { code: 'limit_exceeded' },
    })
    expect(refused).toMatchObject({ replayed: false })
  })

  it('with another request is refused, on another stream too', async () => {
    const writer = log.openWriter()
    const [one, two] = [await log.createBlock(writer, 'x'), await log.createBlock(writer, 'x')]
    const id = randomUUID()
    await writer.submit(insertion(one, 'y', command(id)))
    const reused = await writer.submit(insertion(two, 'z', command(id, 'b')))
    expect(reused).toMatchObject({
      status: 'rejected',
      rejection: { code: 'idempotency_key_reused' },
    })
    expect(await log.valueOf(two)).toBe('x')
  })

  it('is not burnt by a refusal about a block that does not exist yet', async () => {
    const writer = log.openWriter()
    const blockId = `block-${randomUUID()}`
    const id = randomUUID()
    const refused = await writer.submit(insertion(blockId, 'y', command(id)))
    expect(refused).toMatchObject({ status: 'rejected', rejection: { code: 'block_not_found' } })
    const create = { type: 'CreateBlock', value: 'x', settings: { label: 'notes' } } as const
    await new ChangeBlockHandler(writer).execute(new ChangeBlock(blockId, create, by))
    expect(await writer.submit(insertion(blockId, 'y', command(id)))).toMatchObject({
      status: 'ok',
    })
  })
})
