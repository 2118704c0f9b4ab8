import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { EventSource } from './support/event-source.js'
import { type Product, startProduct } from './support/product.js'
import { makeBlock, type Rest, restOf } from './support/rest.js'

let product: Product
let rest: Rest

beforeAll(async () => {
  product = await startProduct({ workers: 0 })
  rest = restOf(product.port)
})

afterAll(async () => {
  await product.close()
  expect(product.logged).toEqual([])
})

const insert = (id: string, text: string) =>
  rest('POST', `/v1/blocks/${id}/insert`, { new_string: text })

/** The versions a reader is given, up to one, each with its message's id. */
async function versionsUpTo(source: EventSource, last: number): Promise<number[]> {
  const versions: number[] = []
  for await (const { id, data } of source.messages()) {
    if (!data) continue
    expect(id).toBe(String(data['version']))
    versions.push(data['version'] as number)
    if (data['version'] === last) break
  }
  return versions
}

describe('the stream of a block', () => {
  it('gives its events and no others, from the first or after a version, and goes on as they come', async () => {
    const [block, other] = [await makeBlock(rest), await makeBlock(rest)]
    for (const text of ['a', 'b']) await insert(block.id, text)
    await insert(other.id, 'x')
    const path = `/v1/blocks/${block.id}/stream`
    const whole = await EventSource.open(product.url, path)
    const tail = await EventSource.open(product.url, `${path}?after=2`)
    const live = await EventSource.open(product.url, `${path}?after=now`)
    await insert(other.id, 'y')
    await insert(block.id, 'c')
    expect(await versionsUpTo(whole, 4)).toEqual([1, 2, 3, 4])
    expect(await versionsUpTo(tail, 4)).toEqual([3, 4])
    expect(await versionsUpTo(live, 4)).toEqual([4])
  })

  it('cut anywhere, goes on from the last version it gave: none missing, none twice', async () => {
    const { id } = await makeBlock(rest)
    const seen: number[] = []
    let lastId: string | null = null
    for (let cut = 0; cut < 20; cut++) {
      for (let i = 0; i < 3; i++) await insert(id, `line ${cut} ${i}`)
      const headers: Record<string, string> = lastId === null ? {} : { 'last-event-id': lastId }
      const source: EventSource = await EventSource.open(
        product.url,
        `/v1/blocks/${id}/stream`,
        headers,
      )
      const upTo = 1 + 3 * cut + (cut % 3) + 1
      seen.push(...(await versionsUpTo(source, upTo)))
      source.cut()
      lastId = source.lastId
    }
    expect(seen).toEqual(Array.from({ length: seen.length }, (_, i) => i + 1))
  })

  it('of a deleted block ends its history with the deletion', async () => {
    const { id } = await makeBlock(rest)
    await rest('DELETE', `/v1/blocks/${id}`)
    const source = await EventSource.open(product.url, `/v1/blocks/${id}/stream`)
    expect(await versionsUpTo(source, 2)).toEqual([1, 2])
  })

  it.each([
    ['of no block', 'block-00000000-0000-4000-8000-000000000000', '', 404, 'block_not_found'],
    ['after a version there is not', null, '?after=9', 400, 'invalid_cursor'],
    ['after no version', null, '?after=x', 400, 'invalid_cursor'],
    ['with a parameter that is not known', null, '?types=a', 422, 'invalid_query'],
  ] as const)('%s is refused', async (_name, unknown, query, status, code) => {
    const id = unknown ?? (await makeBlock(rest)).id
    const answer = await rest('GET', `/v1/blocks/${id}/stream${query}`)
    expect(answer).toMatchObject({ status, body: { code } })
    expect(answer.faults()).toEqual([])
  })
})
