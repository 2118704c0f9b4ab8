import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Pool } from 'pg'
import type { BlockState } from '#domain/block-state.js'
import { insertion, openLog, type TestLog, tenantId } from '../../test/support/log.js'
import { KnownStreams } from './known-streams.js'
import { StateCache } from './state-cache.js'
import type { FoldedStream } from './stream-reader.js'

const EVENTS = 6

let log: TestLog
let a: string
let b: string
let statements = 0

beforeAll(async () => {
  log = await openLog()
  const writer = log.openWriter()
  ;[a, b] = [await log.createBlock(writer, 'a0'), await log.createBlock(writer, 'b0')]
  for (let n = 1; n < EVENTS; n++) {
    for (const [name, id] of Object.entries({ a, b })) {
      await writer.submit(insertion(id, `${name}${n}`))
    }
  }
  await writer.close()
})

afterAll(() => log.close())

function known(): { streams: KnownStreams; cache: StateCache } {
  const cache = new StateCache(10)
  const counting = {
    query: (...of: Parameters<Pool['query']>) => {
      statements += 1
      return log.reads.query(...of)
    },
  } as unknown as Pool
  statements = 0
  return { streams: new KnownStreams(counting, cache), cache }
}

const textOf = (stream: FoldedStream | undefined): string =>
  stream ? (stream.state as BlockState).value : 'not asked for'

const lastLine = (stream: FoldedStream | undefined): string | undefined =>
  textOf(stream).split('\n').at(-1)

describe('Streams at versions they have had', () => {
  it('are read in one statement for all who ask at the same time, whatever is known of them', async () => {
    const { streams, cache } = known()
    await streams.fold(tenantId, [b])
    statements = 0
    const asked = [
      new Map([[a, 2]]),
      new Map([
        [b, 4],
        [a, 2],
      ]),
    ]
    const found = await Promise.all(asked.map((versions) => streams.at(tenantId, versions)))
    expect(found.map((of) => [lastLine(of.get(a)), lastLine(of.get(b))])).toEqual([
      ['a1', 'not asked for'],
      ['a1', 'b3'],
    ])
    expect(statements).toBe(1)
    expect(cache.get(tenantId, a)).toBeUndefined()
    expect(cache.get(tenantId, b)?.version).toBe(EVENTS)
  })

  it('are each one’s own, where one stream is asked for at several', async () => {
    const { streams } = known()
    const versions = [1, 3, EVENTS, 2]
    const found = await Promise.all(
      versions.map((version) => streams.at(tenantId, new Map([[a, version]]))),
    )
    expect(found.map((of) => of.get(a)?.version)).toEqual(versions)
    expect(found.map((of) => lastLine(of.get(a)))).toEqual(['a0', 'a2', `a${EVENTS - 1}`, 'a1'])
  })

  it('go on from what is known, where that is not beyond them', async () => {
    const { streams, cache } = known()
    const before = (await streams.at(tenantId, new Map([[a, 3]]))).get(a) as FoldedStream
    cache.put(tenantId, { ...before, state: { ...before.state, value: 'known' } as BlockState })
    const found = await streams.at(tenantId, new Map([[a, 4]]))
    expect(textOf(found.get(a))).toBe('known\na3')
    expect(lastLine((await streams.at(tenantId, new Map([[a, 2]]))).get(a))).toBe('a1')
  })
})
