import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import {
  contents,
  eventCount,
  exportedLines,
  into,
  inversions,
  mutateStatements,
  openImportTarget,
  writerOn,
} from '../../test/support/imported.js'
import { insertion, tenantId } from '../../test/support/log.js'
import { openSealedLog, type SealedLog } from '../../test/support/sealed-log.js'

let sealed: SealedLog
let lines: string[]
let source: Record<string, string[]>
let longBlock: string
const EVENTS = 96 + 4 + 1

beforeAll(async () => {
  sealed = await openSealedLog(96, 4)
  const { log } = sealed
  const writer = log.openWriter()
  const { rows } = await log.reads.query('select stream_id from streams order by 1 limit 1')
  longBlock = rows[0].stream_id
  // Too long to stand in its head, of characters that are two UTF-16 units each.
  await writer.submit(insertion(longBlock, '\u{1f642}'.repeat(3_000)))
  await writer.close()
  lines = await exportedLines(log.reads)
  source = await contents(log.reads)
  expect(lines).toHaveLength(1 + EVENTS + 1)
})

afterAll(() => sealed.close())

describe('an import', () => {
  it('leaves the log that was exported, its heads and its read models, under positions of its own', async () => {
    await into(async (target) => {
      await target.pool.query(`select nextval('events_position') from generate_series(1, 50)`)
      const imported = await target.import(lines, { keys: sealed.keys, batchEvents: 10 })
      expect(imported).toMatchObject({ events: EVENTS, fresh: EVENTS, present: 0, covered: 100 })
      expect(await contents(target.pool)).toEqual(source)
      expect(await target.verify()).toMatchObject({ ok: true, events: EVENTS })
      expect(await target.differences()).toBe(0)
    })
  })

  it('twice changes nothing', async () => {
    await into(async (target) => {
      await target.import(lines)
      const before = await target.pool.query('select * from events order by position')
      expect(await target.import(lines)).toMatchObject({ fresh: 0, present: EVENTS })
      const after = await target.pool.query('select * from events order by position')
      expect(after.rows).toEqual(before.rows)
      expect(await contents(target.pool)).toEqual(source)
    })
  })

  it('only verifies and compares when nothing is to be written', async () => {
    await into(async (target) => {
      expect(await target.import(lines, { dryRun: true })).toMatchObject({ fresh: EVENTS })
      expect(await eventCount(target.pool)).toBe(0)
    })
  })

  it('that was killed leaves a valid log wherever it stopped, and is gone on with by doing it again', async () => {
    for (const at of [0, 7, 25, 60, 99]) {
      await into(async (target) => {
        await target.importUntil(at, lines, 6)
        const there = await eventCount(target.pool)
        expect(there).toBeLessThanOrEqual(at)
        expect(there).toBeGreaterThan(at - 12)
        expect(await target.verify()).toMatchObject({ ok: true, events: there })
        expect(await target.differences()).toBe(0)
        expect(await target.import(lines)).toMatchObject({ present: there, fresh: EVENTS - there })
        expect(await contents(target.pool)).toEqual(source)
      })
    }
  })

  it('that tore events and heads apart would be noticed (control arm)', async () => {
    await into(async (target) => {
      const torn = (text: string): string =>
        text.replace('w.new_version, hash', 'w.old_version, hash')
      mutateStatements(target.pool, torn)
      // The next batch finds the head where it should not be.
      await target.importUntil(60, lines, 20).catch(() => {})
      expect((await target.verify()).ok).toBe(false)
    })
  })

  it('goes on from an earlier one with what was exported after it', async () => {
    const target = await openImportTarget()
    await target.importUntil(40, lines, 1)
    const there = await eventCount(target.pool)
    const { position } = JSON.parse(lines[there] as string) as { position: number }
    const rest = await exportedLines(sealed.log.reads, { after: position })
    expect(await target.import(rest)).toMatchObject({ present: 0, fresh: EVENTS - there })
    expect(await contents(target.pool)).toEqual(source)
    await target.close()
    await into(async (empty) => {
      // The rest alone has nothing to follow from.
      await expect(empty.import(rest)).rejects.toMatchObject({ reason: 'gap' })
      expect(await eventCount(empty.pool)).toBe(0)
    })
    const first = [...lines.slice(0, 1 + there), ...rest]
    // Two parts in one file, as an export that was interrupted and resumed leaves them.
    await into(async (target) => {
      expect(await target.import(first)).toMatchObject({ fresh: EVENTS })
      expect(await contents(target.pool)).toEqual(source)
    })
  })

  it('takes one stream as well as the whole log', async () => {
    const alone = await exportedLines(sealed.log.reads, { streamId: longBlock })
    await into(async (target) => {
      await target.import(alone, { keys: sealed.keys })
      expect(await target.verify()).toMatchObject({ ok: true, streams: 1 })
      expect(await target.import(lines)).toMatchObject({ present: alone.length - 2 })
      const { events: _, ...rest } = source
      expect(await contents(target.pool)).toMatchObject(rest)
    })
  })

  it('takes erased payloads as they are', async () => {
    const gone = 9
    const erased = lines.map((text, i) =>
      i === gone ? `${JSON.stringify({ ...JSON.parse(text), payload: null, salt: null })}` : text,
    )
    const { stream_id } = JSON.parse(lines[gone] as string) as { stream_id: string }
    await into(async (target) => {
      await target.importUntil(50, erased, 5)
      expect(await target.import(erased, { keys: sealed.keys })).toMatchObject({ events: EVENTS })
      expect(await target.verify()).toMatchObject({ ok: true, events: EVENTS })
      expect(await target.differences()).toBe(0)
      const { rows } = await target.pool.query(
        `select (select count(*)::int from events where payload is null and salt is null) as erased,
                (select value from streams where stream_id = $1) as value`,
        [stream_id],
      )
      expect(rows).toEqual([{ erased: 1, value: null }])
    })
  })
})

describe('beside a running service', () => {
  it('a writer that had the streams in memory goes on from what was imported', async () => {
    await into(async (target) => {
      await target.importUntil(60, lines, 1)
      const { writer, close } = writerOn(target.url)
      const { rows } = await target.pool.query('select stream_id, version from streams')
      const look = (id: string) =>
        writer.submit({
          tenantId,
          streams: [id],
          actor: { kind: 'user', id: 'local' },
          decide: (states) => ({ appends: [], result: states.block(id).version }),
        })
      for (const row of rows) {
        expect(await look(row.stream_id)).toMatchObject({ result: row.version })
      }
      await target.import(lines, { batchEvents: 7 })
      for (const row of rows) await writer.submit(insertion(row.stream_id, 'after'))
      await close()
      expect(await target.verify()).toMatchObject({ ok: true, events: EVENTS + rows.length })
    })
  })

  it('positions rise with the versions of every stream, whoever else writes', async () => {
    await into(async (target) => {
      const { writer, close } = writerOn(target.url)
      const mine = await sealed.log.createBlock(writer)
      let done = false
      const writes = (async () => {
        let written = 0
        for (; !done || written < 50; written++) await writer.submit(insertion(mine, 'x'))
        return written
      })()
      await target.import(lines, { batchEvents: 3 })
      done = true
      const written = await writes
      await close()
      expect(await inversions(target.pool)).toBe(0)
      expect(await target.verify()).toMatchObject({ ok: true, events: EVENTS + written + 1 })
    })
  })

  it('and would not without the ORDER BY of the statement (control arm)', async () => {
    await into(async (target) => {
      mutateStatements(target.pool, (text) => text.replace('order by e.ord', 'order by -e.ord'))
      await target.import(lines)
      expect(await inversions(target.pool)).toBeGreaterThan(0)
    })
  })
})
