import { describe, expect, it } from '@jest/globals'
import { initialBlock } from '#domain/block-state.js'
import { measure } from '#domain/text.js'
import { StateCache } from './state-cache.js'
import { emptyStream, type FoldedStream } from './stream-reader.js'

const TENANT = 'default'

const block = (n: number, version: number, text = ''): FoldedStream => {
  const streamId = `block-${String(n).padStart(8, '0')}-0000-4000-8000-000000000000`
  const state = { ...initialBlock(streamId), version, ...measure(text) }
  return { ...emptyStream(streamId), version, state }
}

/** The numbers of the blocks that are kept, of the first `count`. Asking uses them: so oldest last. */
const kept = (cache: StateCache, count: number): number[] =>
  Array.from({ length: count }, (_, n) => n).filter(
    (n) => cache.get(TENANT, block(n, 1).streamId) !== undefined,
  )

describe('cached streams', () => {
  it('beyond their number go out, the least recently used first', () => {
    const cache = new StateCache(3)
    for (const n of [0, 1, 2]) cache.put(TENANT, block(n, 1))
    cache.get(TENANT, block(0, 1).streamId)
    cache.put(TENANT, block(3, 1))
    expect(kept(cache, 4)).toEqual([0, 2, 3])
  })

  it('beyond their bytes go out too: long texts leave room for few', () => {
    const cache = new StateCache(1_000, 1_000_000)
    for (let n = 0; n < 50; n++) cache.put(TENANT, block(n, 1, 'x'.repeat(100_000)))
    expect(kept(cache, 50)).toEqual([47, 48, 49])
    for (let n = 0; n < 200; n++) cache.put(TENANT, block(n, 1, 'x'.repeat(100)))
    expect(kept(cache, 200)).toHaveLength(200)
  })

  it('count once, whatever versions of them there were', () => {
    const cache = new StateCache(1_000, 1_000_000)
    cache.put(TENANT, block(0, 1, 'x'))
    for (let version = 1; version <= 1_000; version++) {
      cache.put(TENANT, block(1, version, 'x'.repeat(version)))
      if (version % 10 === 0) cache.forget(TENANT, block(2, 1).streamId)
    }
    expect(kept(cache, 2)).toEqual([0, 1])
  })

  it('keep one that is longer than all may be together', () => {
    const cache = new StateCache(1_000, 1_000)
    cache.put(TENANT, block(0, 1))
    cache.put(TENANT, block(1, 1, 'x'.repeat(10_000)))
    expect(kept(cache, 2)).toEqual([1])
  })

  it('are not replaced by older ones', () => {
    const cache = new StateCache(3)
    cache.put(TENANT, block(0, 2))
    cache.put(TENANT, block(0, 1))
    expect(cache.get(TENANT, block(0, 1).streamId)?.version).toBe(2)
  })
})
