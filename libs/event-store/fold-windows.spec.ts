import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { QueryConfig } from 'pg'
import { decideBlock } from '#domain/block.js'
import type { BlockCommand } from '#domain/block-events.js'
import { evolve, initialState, storedState } from '#domain/streams.js'
import { actor, openLog, type TestLog, tenantId } from '../../test/support/log.js'
import type { FoldLimits } from './fold-windows.js'
import { scanWindows } from './log-scan.js'
import { RowCopy } from './row-copy.js'
import {
  catchUp,
  type FoldedStream,
  foldStream,
  foldStreams,
  type Queryable,
  readStream,
} from './stream-reader.js'

const EVENTS = 330

let log: TestLog
let blockIds: string[]

beforeAll(async () => {
  log = await openLog()
  const writer = log.openWriter()
  blockIds = [await log.createBlock(writer, 'a\u{1f642}b'), await log.createBlock(writer, '')]
  for (let i = 1; i < EVENTS; i++) {
    for (const blockId of blockIds) {
      await writer.submit({
        tenantId,
        streams: [blockId],
        actor: { kind: 'user', id: `user-${i % 3}` },
        decide: (states) => {
          const block = states.block(blockId)
          const decided = decideBlock(block, change(i, block.value), { actor, baseVersion: null })
          if (!decided.ok) return { rejection: decided.rejection }
          return {
            appends: decided.value.events.map((event) => ({ streamId: blockId, event })),
            result: 0,
          }
        },
      })
    }
  }
  await writer.close()
})

afterAll(() => log.close())

function change(i: number, value: string): BlockCommand {
  if (i % 41 === 0) return { type: 'PatchBlock', settings: { description: `d${i}` } }
  if (i % 97 === 0) return { type: 'RethinkBlock', text: `é${i}`, numbered: false }
  if (i % 5 === 0) {
    const old = value.split('\n')[0] as string
    return { type: 'ReplaceText', old, new: `${i} "new" —`, all: true, numbered: false }
  }
  const place = i % 2 ? ({ at: 'end' } as const) : ({ at: 'line', line: 1 } as const)
  return { type: 'InsertText', text: `line ${i} \\ \u{1f642}`, place, numbered: false }
}

/** As the fold is defined: one event after another, from the first. */
async function oneByOne(blockId: string, upTo: number): Promise<object> {
  const events = await readStream(log.reads, tenantId, blockId, { limit: upTo, order: 'asc' })
  return storedState(events.reduce(evolve, initialState(blockId)))
}

/** Streams as folds give them: how far back a block remembers depends on how it was read. */
function folds(streams: ReadonlyMap<string, FoldedStream>): Map<string, object> {
  return new Map([...streams].map(([id, s]) => [id, { ...s, state: storedState(s.state) }]))
}

const limits = fc.record<FoldLimits>({
  first: fc.integer({ min: 1, max: 200 }),
  each: fc.integer({ min: 1, max: 60 }),
})

describe('a fold in windows', () => {
  it('gives the state of one read, whatever their size, with snapshots and without', async () => {
    const same = fc.asyncProperty(
      limits,
      fc.tuple(fc.integer({ min: 1, max: EVENTS }), fc.integer({ min: 1, max: EVENTS })),
      async (limits, versions) => {
        const upTo = new Map(blockIds.map((id, i) => [id, versions[i] as number]))
        const folded = folds(await foldStreams(log.reads, tenantId, blockIds, upTo, limits))
        const whole = folds(await foldStreams(log.reads, tenantId, blockIds, upTo))
        expect(folded).toEqual(whole)
        for (const [id, version] of upTo) {
          expect(folded.get(id)).toMatchObject({ version, state: await oneByOne(id, version) })
          const [event] = (
            await log.reads.query('select hash from events where stream_id = $1 and version = $2', [
              id,
              version,
            ])
          ).rows
          expect(folded.get(id)).toMatchObject({ hash: event.hash })
        }
      },
    )
    await fc.assert(same, { numRuns: 15 })
    await log.reads.query('delete from snapshots')
    await fc.assert(same, { numRuns: 15 })
  })

  it('goes on from what is known, to the newest event', async () => {
    const [known, unknown] = blockIds as [string, string]
    const early = await foldStream(log.reads, tenantId, known, 100)
    const streams = await catchUp(log.reads, tenantId, blockIds, (id) =>
      id === known ? early : undefined,
    )
    const newest = await foldStreams(log.reads, tenantId, blockIds)
    expect([unknown, known].map((id) => folds(streams).get(id))).toEqual(
      [unknown, known].map((id) => folds(newest).get(id)),
    )
  })

  it('reads no more events with the first statement than the limits say, and those after in windows', async () => {
    const read: number[] = []
    const counting = {
      query: (query: QueryConfig | RowCopy) => {
        if (query instanceof RowCopy) return log.reads.query(query as never)
        const result = log.reads.query(query)
        return result.then((done) => read.push(done.rows.length) && done)
      },
    } as unknown as Queryable
    const windows: number[] = []
    const scan = { streamId: blockIds[0] as string, after: 20, upToVersion: 300 }
    for await (const { rows } of scanWindows(log.reads, tenantId, scan)) windows.push(rows)
    expect(windows.reduce((sum, rows) => sum + rows)).toBe(280)
    await foldStreams(counting, tenantId, blockIds, undefined, { first: 40, each: 20 })
    // One statement for both streams, and for each of them the hash of its newest event.
    expect(read).toEqual([40, 1, 1])
  })

  it('says that a window cannot be read', async () => {
    const gone = {
      query: (query: QueryConfig | RowCopy) =>
        query instanceof RowCopy ? Promise.reject(new Error('gone')) : log.reads.query(query),
    } as unknown as Queryable
    const limits = { first: 40, each: 20 }
    await expect(foldStreams(gone, tenantId, blockIds, undefined, limits)).rejects.toThrow('gone')
  })

  it('says where nothing can be read', async () => {
    await expect(
      foldStreams({ query: () => Promise.reject(new Error('gone')) } as never, tenantId, blockIds),
    ).rejects.toThrow('gone')
    expect(await foldStreams(log.reads, tenantId, [])).toEqual(new Map())
  })
})
