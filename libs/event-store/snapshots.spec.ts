import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { BlockState } from '#domain/block-state.js'
import { insertion, openLog, type TestLog, tenantId } from '../../test/support/log.js'
import { foldStream, foldStreams, headTexts } from './stream-reader.js'

let log: TestLog

beforeAll(async () => {
  log = await openLog()
})

afterAll(() => log.close())

/** A block of `count` lines, one event each. */
async function grown(count: number, line: string): Promise<{ blockId: string; lines: string[] }> {
  const writer = log.openWriter()
  const blockId = await log.createBlock(writer, line, 10_000_000)
  const lines = [line]
  for (let i = 1; i < count; i++) {
    lines.push(`${line} ${i}`)
    await writer.submit(insertion(blockId, `${line} ${i}`))
  }
  await writer.close()
  return { blockId, lines }
}

describe('snapshots', () => {
  it('change no read: every version is the same with them and without', async () => {
    const { blockId, lines } = await grown(320, '\u{1f642}')
    const { rows } = await log.reads.query('select version from snapshots where stream_id = $1', [
      blockId,
    ])
    expect(rows.length).toBeGreaterThanOrEqual(2)
    const read = async (): Promise<string[]> => {
      const versions = Array.from({ length: 32 }, (_, i) => i * 10 + 1)
      const folds = versions.map((version) => foldStream(log.reads, tenantId, blockId, version))
      return (await Promise.all(folds)).map(({ state }) => (state as BlockState).value)
    }
    const withThem = await read()
    expect(withThem).toEqual(withThem.map((_, i) => lines.slice(0, i * 10 + 1).join('\n')))
    await log.reads.query('delete from snapshots where stream_id = $1', [blockId])
    expect(await read()).toEqual(withThem)
  })

  it('hold the text of a long block, which its head no longer does', async () => {
    const { blockId, lines } = await grown(60, 'x'.repeat(200))
    const { rows } = await log.reads.query(
      'select stream_id, value, version, length from streams where stream_id = $1',
      [blockId],
    )
    const value = lines.join('\n')
    expect(rows[0]).toMatchObject({ value: null, version: 60, length: value.length })
    expect((await headTexts(log.reads, tenantId, rows)).get(blockId)).toBe(value)
    const older = await headTexts(log.reads, tenantId, [{ ...rows[0], version: 3 }])
    expect(older.get(blockId)).toBe(lines.slice(0, 3).join('\n'))
  })

  it('of a long text are written only as it grows, not with every edit', async () => {
    const { blockId } = await grown(200, 'y'.repeat(400))
    const { rows } = await log.reads.query(
      `select count(*)::int as n, sum(octet_length(state::text))::int as bytes,
              (select sum(octet_length(payload::text))::int from events where stream_id = $1) as events
         from snapshots where stream_id = $1`,
      [blockId],
    )
    expect(rows[0].n).toBeGreaterThan(1)
    expect(rows[0].bytes).toBeLessThan(rows[0].events * 5)
  })

  it('fold several streams in one statement, each up to a version of its own', async () => {
    const [one, two] = [await grown(5, 'one'), await grown(5, 'two')]
    const upTo = new Map([
      [one.blockId, 2],
      [two.blockId, 4],
    ])
    const folded = await foldStreams(log.reads, tenantId, [...upTo.keys()], upTo)
    expect([...folded.values()].map((stream) => stream.version)).toEqual([2, 4])
  })
})
