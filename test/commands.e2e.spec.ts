import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type Product, startProduct } from './support/product.js'
import { makeAgent, makeBlock, type Rest, restOf, type WireBlock } from './support/rest.js'

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

interface Result {
  readonly status: 'ok' | 'rejected'
  readonly block_id: string
  readonly version?: number
  readonly error?: { readonly code: string; readonly at_version?: number }
}

function run(commands: readonly object[], more: object = {}, headers = {}, query = '') {
  return rest<{ atomic: boolean; results: readonly Result[] } & Record<string, unknown>>(
    'POST',
    `/v1/commands${query}`,
    { commands, ...more },
    headers,
  )
}

const read = async (id: string) => (await rest<WireBlock>('GET', `/v1/blocks/${id}`)).body
const insert = (block_id: string, new_string: string) => ({ type: 'insert', block_id, new_string })

describe('a batch', () => {
  it('of one kind: each for itself, in order on each block, a refusal leaves the others standing', async () => {
    const [a, b] = [await makeBlock(rest), await makeBlock(rest, { value: 'x' })]
    const { body } = await run([
      insert(a.id, 'one'),
      { type: 'replace', block_id: b.id, old_string: 'zz', new_string: 'y' },
      insert(a.id, 'two'),
      { type: 'rethink', block_id: b.id, new_memory: 'new', base_version: 1 },
    ])
    expect(body.results.map(({ status }) => status)).toEqual(['ok', 'rejected', 'ok', 'ok'])
    expect(body.results[1]?.error).toMatchObject({ code: 'replace_no_match', at_version: 1 })
    expect([(await read(a.id)).value, (await read(b.id)).value]).toEqual(['one\ntwo', 'new'])
  })

  it('103 atomic: two operations on one block apply in order, and one failure leaves none', async () => {
    const [a, b] = [await makeBlock(rest, { value: 'a' }), await makeBlock(rest, { value: 'b' })]
    const chain = [
      { type: 'replace', block_id: a.id, old_string: 'a', new_string: 'A' },
      { type: 'replace', block_id: a.id, old_string: 'A', new_string: 'AA' },
      insert(b.id, 'c'),
    ]
    const failing = { type: 'replace', block_id: b.id, old_string: 'zz', new_string: 'y' }
    const refused = await run([...chain, failing], { atomic: true })
    expect(refused).toMatchObject({ status: 409, body: { code: 'replace_no_match', member: 3 } })
    expect(refused.faults()).toEqual([])
    expect([await read(a.id), await read(b.id)]).toMatchObject([{ version: 1 }, { version: 1 }])
    const done = await run(chain, { atomic: true })
    expect(done.body).toMatchObject({
      atomic: true,
      results: [
        { block_id: a.id, version: 2 },
        { block_id: a.id, version: 3 },
        { block_id: b.id, version: 2 },
      ],
    })
    expect([(await read(a.id)).value, (await read(b.id)).value]).toEqual(['AA', 'b\nc'])
  })

  it('atomic: a precondition of any member holds for all', async () => {
    const [a, b] = [await makeBlock(rest), await makeBlock(rest)]
    const guarded = [insert(a.id, 'x'), { ...insert(b.id, 'y'), if_match: 7 }]
    const refused = await run(guarded, { atomic: true })
    expect(refused).toMatchObject({ status: 412, body: { code: 'version_conflict', member: 1 } })
    expect((await read(a.id)).value).toBe('')
  })

  it('atomic: makes a block, gives it to an agent, writes it and renames it in one commit', async () => {
    const agent = await makeAgent(rest)
    const block_id = `block-${randomUUID()}`
    const { status, body, text } = await run(
      [
        { type: 'create', block_id, label: 'plan', value: 'first' },
        { type: 'attach', block_id, agent_id: agent.id, right: 'insert' },
        insert(block_id, 'second'),
        { type: 'update', block_id, label: 'roadmap' },
      ],
      { atomic: true },
    )
    if (status !== 200) throw new Error(text)
    expect(body.results.map(({ version }) => version)).toEqual([1, 2, 3, 4])
    const path = `/v1/agents/${agent.id}/core-memory/blocks/roadmap`
    expect((await rest('GET', path)).body).toMatchObject({ value: 'first\nsecond', version: 4 })
  })

  it('under a key is applied once, each member for itself and all together', async () => {
    for (const atomic of [true, false]) {
      const block = await makeBlock(rest)
      const key = { 'idempotency-key': `batch-${block.id}` }
      const commands = [insert(block.id, 'one'), insert(block.id, 'two')]
      const [first, again] = [
        await run(commands, { atomic }, key),
        await run(commands, { atomic }, key),
      ]
      expect(again.body).toEqual(first.body)
      expect(await read(block.id)).toMatchObject({ value: 'one\ntwo', version: 3 })
    }
  })

  it('atomic: can be tried', async () => {
    const { id } = await makeBlock(rest)
    const commands = [insert(id, 'one'), insert(id, 'two')]
    const tried = await run(commands, { atomic: true }, {}, '?dry_run=true')
    expect(tried.body).toMatchObject({
      dry_run: true,
      results: [{ version: 2 }, { version: 3 }],
      events: [{ type: 'TextInserted' }, { type: 'TextInserted', version: 3 }],
    })
    expect(await read(id)).toMatchObject({ version: 1 })
    expect(await run(commands, {}, {}, '?dry_run=true')).toMatchObject({
      status: 422,
      body: { code: 'invalid_query' },
    })
  })

  it.each([
    ['104 no command', [], 'empty_batch'],
    ['a type that is not known', [{ type: 'nope' }], 'invalid_argument'],
    [
      'a field that is not known',
      [{ ...insert(`block-${randomUUID()}`, 'x'), no: 1 }],
      'unknown_field',
    ],
    [
      'a place named twice',
      [{ ...insert(`block-${randomUUID()}`, 'x'), insert_line: 1, after: 'a' }],
      'invalid_argument',
    ],
    ['a wrong id', [insert('nope', 'x')], 'invalid_id'],
    [
      'too many',
      Array.from({ length: 257 }, () => insert(`block-${randomUUID()}`, 'x')),
      'invalid_argument',
    ],
  ])('%s is refused: nothing is written', async (_name, commands, code) => {
    const answer = await run(commands, { atomic: true })
    expect([answer.status, answer.body['code']]).toEqual([422, code])
    expect(answer.faults()).toEqual([])
  })
})
