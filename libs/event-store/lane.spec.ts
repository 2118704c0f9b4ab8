import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { ChangeBlock, ChangeBlockHandler } from '#commands/change-block.js'
import { RawWriter, rawStreams, until } from '../../test/support/feed-load.js'
import { by, insertion, openLog, type TestLog, tenantId } from '../../test/support/log.js'
import { firstBroken } from './chain.js'
import { readChain } from './stream-reader.js'
import type { Unit, Verdict } from './unit.js'
import type { Writer } from './writer.js'

let log: TestLog

beforeAll(async () => {
  log = await openLog()
})

afterAll(() => log.close())

/** Counts how often a unit is decided. */
function counted(unit: Unit<number>): { unit: Unit<number>; decided(): number } {
  let count = 0
  const decide: Unit<number>['decide'] = (states, now) => {
    count += 1
    return unit.decide(states, now)
  }
  return { unit: { ...unit, decide }, decided: () => count }
}

async function positions(): Promise<{ stream_id: string; version: number; recorded_at: Date }[]> {
  const { rows } = await log.reads.query(
    'select stream_id, version, recorded_at from events where tenant_id = $1 order by position',
    [tenantId],
  )
  return rows
}

const accepted = (verdicts: readonly Verdict<unknown>[]): boolean =>
  verdicts.every((verdict) => verdict.status === 'ok')

describe('what is decided ahead of a flush', () => {
  it('is written as decided when the flush lands as decided: nothing is decided twice', async () => {
    const writer = log.openWriter()
    const blockId = await log.createBlock(writer, 'first')
    const units = Array.from({ length: 600 }, (_, i) => counted(insertion(blockId, `line ${i}`)))
    const verdicts = await Promise.all(units.map(({ unit }) => writer.submit(unit)))
    expect(accepted(verdicts)).toBe(true)
    expect(units.filter(({ decided }) => decided() !== 1)).toEqual([])
    const lines = (await log.valueOf(blockId)).split('\n')
    expect(lines).toEqual(['first', ...units.map((_, i) => `line ${i}`)])
  })

  it('is decided again when the flush finds a head moved: nothing is lost, nothing stands twice', async () => {
    const [writer, other] = [log.openWriter(), log.openWriter()]
    const blockId = await log.createBlock(writer, 'first')
    await other.submit(insertion(blockId, 'by another process'))
    const units = Array.from({ length: 600 }, (_, i) => counted(insertion(blockId, `line ${i}`)))
    const verdicts = await Promise.all(units.map(({ unit }) => writer.submit(unit)))
    expect(accepted(verdicts)).toBe(true)
    expect(Math.max(...units.map(({ decided }) => decided()))).toBeGreaterThan(1)
    const lines = (await log.valueOf(blockId)).split('\n')
    expect(lines).toHaveLength(602)
    expect(new Set(lines).size).toBe(602)
    expect(firstBroken(await readChain(log.reads, tenantId, blockId))).toBeNull()
  })

  it('is never told to anybody when the flush fails: callers hear what was committed', async () => {
    const writer = log.openWriter()
    const blockId = await log.createBlock(writer, 'first', 30)
    // Every second line is too long for what is left; whether one fits depends on those before it.
    const texts = Array.from({ length: 300 }, (_, i) => (i % 2 === 0 ? `${i}` : 'x'.repeat(31)))
    const verdicts = await Promise.all(texts.map((text) => writer.submit(insertion(blockId, text))))
    const value = await log.valueOf(blockId)
    const told = texts.filter((_, i) => verdicts[i]?.status === 'ok')
    expect(value).toBe(['first', ...told].join('\n'))
    expect([...value].length).toBeLessThanOrEqual(30)
  })
})

describe('a group', () => {
  it('that shares no stream with the one in the air does not wait for it', async () => {
    const writer = log.openWriter()
    const ids = await Promise.all(Array.from({ length: 16 }, () => log.createBlock(writer, 'x')))
    // While somebody else's insert of a head is undecided, a flight that makes the same one waits.
    const holder = await RawWriter.open(log.url)
    await holder.begin()
    const [held] = await rawStreams(holder.client, 1)
    const create = { type: 'CreateBlock', value: 'x', settings: { label: 'notes' } } as const
    const first = new ChangeBlockHandler(writer).execute(
      new ChangeBlock(held as string, create, by),
    )
    const waiting = `select from pg_locks
      where not granted and transactionid = pg_current_xact_id()::xid`
    await until(async () => (await holder.client.query(waiting)).rowCount === 1)
    const beside = await Promise.all(ids.map((id) => writer.submit(insertion(id, 'y'))))
    expect(accepted(beside)).toBe(true)
    // Still in the air: it cannot have landed before somebody else's insert is decided.
    expect((await holder.client.query(waiting)).rowCount).toBe(1)
    await holder.rollback()
    await holder.close()
    expect(await first).toMatchObject({ ok: true })
  })

  it('holds at most about a megabyte: what is over it goes out with the next one', async () => {
    const writer = log.openWriter()
    const ids = await Promise.all(
      Array.from({ length: 12 }, () => log.createBlock(writer, 'x', 1e6)),
    )
    const before = (await positions()).length
    const text = 'y'.repeat(400_000)
    expect(accepted(await Promise.all(ids.map((id) => writer.submit(insertion(id, text)))))).toBe(
      true,
    )
    const written = await log.reads.query(
      `select xmin::text, sum(octet_length(payload::text))::int as bytes from events
        where tenant_id = $1 and octet_length(payload::text) > 400000 group by xmin`,
      [tenantId],
    )
    expect((await positions()).length).toBe(before + 12)
    expect(written.rows.length).toBeGreaterThan(3)
    for (const { bytes } of written.rows) expect(bytes).toBeLessThan(2_000_000)
  })

  it('is of one tenant, and the next tenant’s units follow in their order', async () => {
    const writer: Writer = log.openWriter()
    const blockId = await log.createBlock(writer, 'mine')
    const strangers = Array.from({ length: 5 }, () => ({
      ...insertion(blockId, 'y'),
      tenantId: 'another',
    }))
    const mine = Array.from({ length: 5 }, (_, i) => insertion(blockId, `line ${i}`))
    const mixed = mine.flatMap((unit, i) => [unit, strangers[i] as Unit<number>])
    const verdicts = await Promise.all(mixed.map((unit) => writer.submit(unit)))
    const refused = verdicts.filter((verdict) => verdict.status === 'rejected')
    expect(refused).toHaveLength(5)
    for (const verdict of refused) {
      expect(verdict).toMatchObject({ rejection: { code: 'block_not_found' } })
    }
    expect((await log.valueOf(blockId)).split('\n')).toEqual([
      'mine',
      ...Array.from({ length: 5 }, (_, i) => `line ${i}`),
    ])
  })
})
