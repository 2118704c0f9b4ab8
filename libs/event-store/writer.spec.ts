import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { ChangeBlock, ChangeBlockHandler } from '#commands/change-block.js'
import type { BlockState } from '#domain/block-state.js'
import { by, insertion, openLog, type TestLog, tenantId } from '../../test/support/log.js'
import { firstBroken } from './chain.js'
import { foldStream, readChain } from './stream-reader.js'
import type { Unit } from './unit.js'
import type { Writer } from './writer.js'

let log: TestLog

beforeAll(async () => {
  log = await openLog()
})

afterAll(() => log.close())

describe('a commit', () => {
  it('keeps every one of 300 concurrent inserts, each once, with versions without gap', async () => {
    const writer = log.openWriter()
    const blockId = await log.createBlock(writer, 'first')
    const verdicts = await Promise.all(
      Array.from({ length: 300 }, (_, i) => writer.submit(insertion(blockId, `line ${i}`))),
    )
    expect(verdicts.every((v) => v.status === 'ok')).toBe(true)
    const lines = (await log.valueOf(blockId)).split('\n')
    expect(new Set(lines).size).toBe(301)
    const versions = verdicts.map((v) => (v as { result: number }).result).sort((a, b) => a - b)
    expect(versions).toEqual(Array.from({ length: 300 }, (_, i) => i + 2))
  })

  it('leaves a head that equals the fold of its events, at every version', async () => {
    const writer = log.openWriter()
    const blockId = await log.createBlock(writer, 'a')
    for (const text of ['b', 'c', 'd']) await writer.submit(insertion(blockId, text))
    const { rows } = await log.reads.query(
      'select value, version, length from streams where stream_id = $1',
      [blockId],
    )
    expect(rows[0]).toEqual({ value: 'a\nb\nc\nd', version: 4, length: 7 })
    for (const [version, value] of ['a', 'a\nb', 'a\nb\nc', 'a\nb\nc\nd'].entries()) {
      const folded = await foldStream(log.reads, tenantId, blockId, version + 1)
      expect((folded.state as BlockState).value).toBe(value)
    }
  })

  it('chains every event to the one before, and a changed byte is found', async () => {
    const writer = log.openWriter()
    const blockId = await log.createBlock(writer, 'a')
    for (const text of ['b', 'c']) await writer.submit(insertion(blockId, text))
    const chain = await readChain(log.reads, tenantId, blockId)
    expect(firstBroken(chain)).toBeNull()
    const forged = chain.map((link, i) =>
      i === 1 ? { ...link, payload: `${link.payload} ` } : link,
    )
    expect(firstBroken(forged)).toEqual({ version: 2, reason: 'payload' })
  })
})

describe('several writers on one block', () => {
  it('lose no command: each is written once, positions rise with versions', async () => {
    const writers = [log.openWriter(), log.openWriter(), log.openWriter(), log.openWriter()]
    const blockId = await log.createBlock(writers[0] as Writer, 'first')
    const verdicts = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        (writers[i % 4] as Writer).submit(insertion(blockId, `line ${i}`)),
      ),
    )
    expect(verdicts.filter((v) => v.status !== 'ok')).toEqual([])
    expect(new Set((await log.valueOf(blockId)).split('\n')).size).toBe(201)
    const { rows } = await log.reads.query(
      'select version, position from events where stream_id = $1 order by position',
      [blockId],
    )
    expect(rows.map((row) => row.version)).toEqual(Array.from({ length: 201 }, (_, i) => i + 1))
    expect(firstBroken(await readChain(log.reads, tenantId, blockId))).toBeNull()
  })

  it('never refuse on a stale cache: a refusal names a version the commit confirmed', async () => {
    const [one, two] = [log.openWriter(), log.openWriter()]
    const blockId = await log.createBlock(one, 'full', 4)
    const refused = await one.submit(insertion(blockId, 'more'))
    expect(refused).toMatchObject({ status: 'rejected', rejection: { code: 'limit_exceeded' } })
    const raise = { type: 'PatchBlock', settings: { limit: 100 } } as const
    await new ChangeBlockHandler(two).execute(new ChangeBlock(blockId, raise, by))
    expect(await one.submit(insertion(blockId, 'more'))).toMatchObject({ status: 'ok' })
  })
})

describe('one stream that is locked elsewhere', () => {
  it('holds up nobody else', async () => {
    const writer = log.openWriter()
    const ids = await Promise.all(Array.from({ length: 20 }, () => log.createBlock(writer, 'x')))
    const locker = await log.reads.connect()
    await locker.query('begin')
    await locker.query('select 1 from streams where stream_id = $1 for update', [ids[0]])
    const verdicts = ids.map((id) => writer.submit(insertion(id, 'y')))
    const others = await Promise.all(verdicts.slice(1))
    expect(others.every((v) => v.status === 'ok')).toBe(true)
    expect(await log.valueOf(ids[0] as string)).toBe('x')
    await locker.query('commit')
    locker.release()
    expect(await verdicts[0]).toMatchObject({ status: 'ok' })
  })
})

describe('the application', () => {
  it('cannot change or remove an event, not even through its own connection', async () => {
    const writer = log.openWriter()
    const blockId = await log.createBlock(writer, 'x')
    for (const sql of [
      "update events set type = 'Forged' where stream_id = $1",
      'delete from events where stream_id = $1',
    ]) {
      await expect(log.reads.query(sql, [blockId])).rejects.toMatchObject({ code: '42501' })
    }
    await expect(log.reads.query('truncate events')).rejects.toMatchObject({ code: '42501' })
  })

  it('poison: a unit that cannot be decided ends alone, the others of its group are written', async () => {
    const writer = log.openWriter()
    const blockId = await log.createBlock(writer, 'x')
    const poison: Unit<number> = {
      ...insertion(blockId, 'y'),
      decide: () => {
        throw new Error('poison')
      },
    }
    const verdicts = await Promise.allSettled([
      ...Array.from({ length: 10 }, (_, i) => writer.submit(insertion(blockId, `a${i}`))),
      writer.submit(poison),
      ...Array.from({ length: 10 }, (_, i) => writer.submit(insertion(blockId, `b${i}`))),
    ])
    expect(verdicts.filter((v) => v.status === 'rejected')).toHaveLength(1)
    expect((await log.valueOf(blockId)).split('\n')).toHaveLength(21)
  })
})
