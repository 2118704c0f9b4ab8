import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type Product, startProduct } from './support/product.js'
import {
  type Answer,
  makeAgent,
  makeBlock,
  type Rest,
  restOf,
  type WireBlock,
} from './support/rest.js'

/** Headers under which a write is made once, or not at all. Titles carry the number of the case. */
let product: Product
let rest: Rest

beforeAll(async () => {
  product = await startProduct()
  rest = restOf(product.port)
})

afterAll(async () => {
  await product.close()
  expect(product.logged).toEqual([])
})

const read = async (id: string) => (await rest<WireBlock>('GET', `/v1/blocks/${id}`)).body
const keyed = () => ({ 'idempotency-key': randomUUID() })

function refused(answer: Answer, status: number, code: string, facts: object = {}): void {
  expect(answer).toMatchObject({ status, body: { code, ...facts } })
  expect(answer.faults()).toEqual([])
}

describe('Idempotency-Key', () => {
  it.each([
    [105, 'of 300 characters', 'k'.repeat(300)],
    [106, 'that is empty', ''],
    [106, 'with a space', 'a b'],
    [106, 'beyond ASCII', 'schl\u00fcssel'],
  ])('%i %s is refused by every write, and nothing happens', async (_row, _what, key) => {
    const { id } = await makeBlock(rest, { value: 'a' })
    const agent = await makeAgent(rest)
    const headers = { 'idempotency-key': key }
    const message = { messages: [{ role: 'user', content: 'x' }] }
    for (const [method, path, body] of [
      ['POST', '/v1/blocks/', { label: 'x', value: '' }],
      ['POST', `/v1/blocks/${id}/insert`, { new_string: 'x' }],
      ['PATCH', `/v1/blocks/${id}`, { value: 'x' }],
      ['DELETE', `/v1/blocks/${id}`],
      ['POST', '/v1/agents/', { model: 'openai/m' }],
      ['PATCH', `/v1/agents/${agent.id}`, { name: 'x' }],
      ['PATCH', `/v1/agents/${agent.id}/core-memory/blocks/attach/${id}`],
      ['POST', `/v1/agents/${agent.id}/messages/async`, message],
      ['POST', '/v1/tools/', { json_schema: { name: `t${Date.now()}` } }],
    ] as const) {
      refused(await rest(method, path, body, headers), 422, 'idempotency_key_invalid')
    }
    expect(await read(id)).toMatchObject({ value: 'a', version: 1 })
  })

  it.each<[string, (ids: { block: string; agent: string }) => [string, string, object?]]>([
    ['a new block', () => ['POST', '/v1/blocks/', { label: 'once', value: 'x' }]],
    ['a new agent', () => ['POST', '/v1/agents/', { model: 'openai/m', memory_blocks: [] }]],
    ['a new tool', () => ['POST', '/v1/tools/', { json_schema: { name: 'made_once' } }]],
    ['insert', ({ block }) => ['POST', `/v1/blocks/${block}/insert`, { new_string: 'x' }]],
    ['rethink', ({ block }) => ['POST', `/v1/blocks/${block}/rethink`, { new_memory: 'x' }]],
    ['PATCH of a block', ({ block }) => ['PATCH', `/v1/blocks/${block}`, { value: 'x', limit: 9 }]],
    ['DELETE of a block', ({ block }) => ['DELETE', `/v1/blocks/${block}`]],
    [
      'attach',
      ({ block, agent }) => ['PATCH', `/v1/agents/${agent}/core-memory/blocks/attach/${block}`],
    ],
    ['PATCH of an agent', ({ agent }) => ['PATCH', `/v1/agents/${agent}`, { name: 'y' }]],
    ['DELETE of an agent', ({ agent }) => ['DELETE', `/v1/agents/${agent}`]],
  ])('107 %s: the same key and body get the stored answer, byte for byte', async (_what, make) => {
    const block = (await makeBlock(rest, { value: 'a' })).id
    const agent = (await makeAgent(rest)).id
    const request = make({ block, agent })
    const [method, path, body] = request
    const headers = keyed()
    const first = await rest(method, path, body, headers)
    const again = await rest(method, path, body, headers)
    expect(first.status).toBe(200)
    expect(first.headers['idempotent-replayed']).toBeUndefined()
    expect([again.status, again.text]).toEqual([200, first.text])
    expect(again.headers['idempotent-replayed']).toBe('true')
    expect(again.headers.etag).toBe(first.headers.etag)
  })

  it('107 the stored answer shows the block as the first attempt left it, whatever came since', async () => {
    const { id } = await makeBlock(rest, { value: 'a' })
    const headers = keyed()
    const insert = (text: string, more = {}) =>
      rest('POST', `/v1/blocks/${id}/insert`, { new_string: text }, more)
    const first = await insert('mine', headers)
    await insert('theirs')
    await rest('PATCH', `/v1/blocks/${id}`, { description: 'later' })
    const again = await insert('mine', headers)
    expect(again.text).toBe(first.text)
    expect((await read(id)).value).toBe('a\nmine\ntheirs')
  })

  it('107 what was refused stays refused, also when it would succeed now', async () => {
    const { id } = await makeBlock(rest, { value: 'a' })
    const headers = { ...keyed(), 'x-request-id': 'same' }
    const replace = () =>
      rest('POST', `/v1/blocks/${id}/replace`, { old_string: 'b', new_string: 'c' }, headers)
    const first = await replace()
    refused(first, 409, 'replace_no_match')
    await rest('PATCH', `/v1/blocks/${id}`, { value: 'b' })
    const again = await replace()
    refused(again, 409, 'replace_no_match')
    expect(again.text).toBe(first.text)
    expect(again.headers['idempotent-replayed']).toBe('true')
    expect((await read(id)).value).toBe('b')
  })

  it('107 a refusal about what does not exist is not kept: it may exist at the next attempt', async () => {
    const block = `block-${randomUUID()}`
    const agent = await makeAgent(rest)
    const headers = keyed()
    const path = `/v1/agents/${agent.id}/core-memory/blocks/attach/${block}`
    for (let i = 0; i < 2; i++) {
      const answer = await rest('PATCH', path, undefined, headers)
      refused(answer, 404, 'block_not_found')
      expect(answer.headers['idempotent-replayed']).toBeUndefined()
    }
  })

  it('107 a turn: the same key gets the same run, which ran once', async () => {
    const agent = await makeAgent(rest)
    const message = { messages: [{ role: 'user', content: 'hello' }] }
    const headers = keyed()
    const send = () => rest('POST', `/v1/agents/${agent.id}/messages`, message, headers)
    const [first, joined] = await Promise.all([send(), send()])
    const again = await send()
    expect([joined?.text, again.text]).toEqual([first?.text, first?.text])
    const runs = await rest<object[]>('GET', `/v1/runs/?agent_id=${agent.id}`)
    expect(runs.body).toHaveLength(1)
  })

  it('107 a tool call: the stored return, on the text as it was judged', async () => {
    const { id } = await makeBlock(rest, { value: 'a' })
    const agent = await makeAgent(rest, [id])
    const path = `/v1/agents/${agent.id}/tools/memory_replace/run`
    const headers = keyed()
    const run = (old_string: string) =>
      rest('POST', path, { args: { label: 'notes', old_string, new_string: 'c' } }, headers)
    const first = await run('b')
    expect(first.body).toMatchObject({ status: 'error' })
    await rest('PATCH', `/v1/blocks/${id}`, { value: 'b' })
    const again = await run('b')
    expect(again.text).toBe(first.text)
    expect(again.headers['idempotent-replayed']).toBe('true')
    refused(await run('z'), 422, 'idempotency_key_reused')
    expect((await read(id)).value).toBe('b')
  })

  it('108 the same key with another body, path or method is refused', async () => {
    const { id } = await makeBlock(rest, { value: 'a' })
    const other = await makeBlock(rest, { value: 'a' })
    const headers = keyed()
    await rest('POST', `/v1/blocks/${id}/insert`, { new_string: 'x' }, headers)
    for (const [path, body] of [
      [`/v1/blocks/${id}/insert`, { new_string: 'y' }],
      [`/v1/blocks/${id}/rethink`, { new_memory: 'x' }],
      [`/v1/blocks/${other.id}/insert`, { new_string: 'x' }],
    ] as const) {
      refused(await rest('POST', path, body, headers), 422, 'idempotency_key_reused')
    }
    expect([await read(id), await read(other.id)]).toMatchObject([{ version: 2 }, { version: 1 }])
  })

  it('109 16 of the same at once: one event, one answer', async () => {
    const { id } = await makeBlock(rest, { value: 'a' })
    const headers = keyed()
    const send = () => rest('POST', `/v1/blocks/${id}/insert`, { new_string: 'x' }, headers)
    const answers = await Promise.all(Array.from({ length: 16 }, send))
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
    expect(answers.filter((a) => a.headers['idempotent-replayed'] !== 'true')).toHaveLength(1)
    expect(await read(id)).toMatchObject({ value: 'a\nx', version: 2 })
  })
})

describe('If-Match', () => {
  it('110 the wrong version: nothing changes, and what happened between is named', async () => {
    const { id } = await makeBlock(rest, { value: 'a' })
    await rest('POST', `/v1/blocks/${id}/insert`, { new_string: 'b' })
    for (const [method, path, body] of [
      ['PATCH', '', { value: 'x' }],
      ['PATCH', '', { description: 'x' }],
      ['POST', '/insert', { new_string: 'x' }],
      ['POST', '/replace', { old_string: 'a', new_string: 'x' }],
      ['POST', '/rethink', { new_memory: 'x' }],
      ['DELETE', '', undefined],
    ] as const) {
      const answer = await rest(method, `/v1/blocks/${id}${path}`, body, { 'if-match': '"1"' })
      refused(answer, 412, 'version_conflict', {
        expected: 1,
        actual: 2,
        events_between: [{ version: 2, type: 'TextInserted' }],
      })
    }
    expect(await read(id)).toMatchObject({ value: 'a\nb', version: 2 })
  })

  it('110 the right version, or *, lets the write through', async () => {
    const { id } = await makeBlock(rest, { value: 'a' })
    const etag = (await rest('GET', `/v1/blocks/${id}`)).headers.etag as string
    const first = await rest('PATCH', `/v1/blocks/${id}`, { value: 'b' }, { 'if-match': etag })
    expect(first).toMatchObject({ status: 200, headers: { etag: '"2"' } })
    const any = await rest('PATCH', `/v1/blocks/${id}`, { value: 'c' }, { 'if-match': '*' })
    expect(any).toMatchObject({ status: 200, body: { version: 3 } })
  })

  it('111 * on something missing', async () => {
    const answer = await rest(
      'PATCH',
      `/v1/blocks/block-${randomUUID()}`,
      { value: 'x' },
      { 'if-match': '*' },
    )
    refused(answer, 412, 'version_conflict')
  })

  it('112 a weak ETag', async () => {
    const { id } = await makeBlock(rest, { value: 'a' })
    const weak = { 'if-match': 'W/"1"' }
    refused(await rest('PATCH', `/v1/blocks/${id}`, { value: 'x' }, weak), 400, 'weak_etag')
    expect(await read(id)).toMatchObject({ value: 'a', version: 1 })
  })

  it('a read that knows the version already gets 304 and no body', async () => {
    const { id } = await makeBlock(rest)
    const answer = await rest('GET', `/v1/blocks/${id}`, undefined, { 'if-none-match': '"1"' })
    expect(answer).toMatchObject({ status: 304, text: '', headers: { etag: '"1"' } })
  })
})
