import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type Product, startProduct } from './support/product.js'
import { type Answer, makeAgent, makeBlock, type Rest, restOf } from './support/rest.js'

interface List<Item = Record<string, unknown>> {
  readonly object: string
  readonly data: Item[]
  readonly has_more: boolean
  readonly next_cursor: string | null
}
type Span = { text: string; start: number; end: number; version: number }

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

const get = <T = List>(id: string, path: string): Promise<Answer<T>> =>
  rest<T>('GET', `/v1/blocks/${id}/${path}`)
const edit = (id: string, word: string, body: object, headers = {}) =>
  rest('POST', `/v1/blocks/${id}/${word}`, body, headers)

/** A block that three have written, one of them in an agent's name, and that was renamed and deleted. */
async function written(): Promise<string> {
  const { id } = await makeBlock(rest, { value: 'HQ: unknown 😀\nfounded: 2023' })
  await edit(id, 'insert', { new_string: 'staff: 12' }, { user_id: 'ann' })
  await edit(id, 'replace', { old_string: 'unknown', new_string: 'Oakland' }, { user_id: 'bob' })
  await edit(id, 'rethink', { new_memory: 'HQ: Oakland 😀\nfounded: 2022\nstaff: 12' })
  await rest('PATCH', `/v1/blocks/${id}`, { label: 'facts' })
  await rest('DELETE', `/v1/blocks/${id}`)
  return id
}

describe('GET /blame', () => {
  it('tells of every word who wrote it and when, and of those a rethink left standing that it did', async () => {
    const id = await written()
    const { body } = await get<List<Span> & { version: number }>(id, 'blame')
    expect(body).toMatchObject({ object: 'list', block_id: id, version: 6, has_more: false })
    const { body: past } = await rest<{ value: string }>('GET', `/v1/blocks/${id}?at_version=6`)
    expect(body.data.map((span) => span.text).join('')).toBe(past.value)
    expect(body.data.map((span) => [span.text, span.version])).toEqual([
      ['HQ: ', 1],
      ['Oakland', 3],
      [' 😀\nfounded: ', 1],
      ['2022', 4],
      ['\nstaff: 12', 2],
    ])
    expect(body.data[4]).toMatchObject({
      ...{ start: 27, end: 37, type: 'TextInserted', actor: { kind: 'user', name: 'ann' } },
      ...{ run_id: null, step: null, tool_call_id: null, restored_by: null, touched_by: 4 },
      at: expect.stringMatching(/^\d{4}-/),
    })
    const { body: then } = await get<List<Span>>(id, 'blame?at_version=2')
    expect(then.data.map((span) => span.version)).toEqual([1, 2])
  })

  it('gives words that an undo or a restore brings back to whoever wrote them first', async () => {
    const { id } = await makeBlock(rest, { value: 'one two' })
    await edit(id, 'replace', { old_string: 'one ', new_string: '' })
    await edit(id, 'undo', { version: 2 })
    await edit(id, 'rethink', { new_memory: 'all new' })
    await edit(id, 'restore', { version: 3 })
    const told = async (version: number) =>
      (
        await get<List<Span & { restored_by: number | null }>>(id, `blame?at_version=${version}`)
      ).body.data.map(({ text, version: by, restored_by }) => [text, by, restored_by])
    expect(await told(3)).toEqual([
      ['one ', 1, 3],
      ['two', 1, null],
    ])
    const restored = await told(5)
    expect(restored.map(([text]) => text).join('')).toBe('one two')
    expect(new Set(restored.map(([, by]) => by))).toEqual(new Set([1]))
  })

  it('is paged by place: every page is of one version, whatever is written meanwhile', async () => {
    const { id } = await makeBlock(rest, { value: 'a😀' })
    for (const text of ['b', 'c', 'd']) await edit(id, 'insert', { new_string: text })
    const whole = (await get<List<Span>>(id, 'blame')).body.data
    const found: Span[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const after: string = cursor === '' ? '' : `&after=${cursor}`
      const { body }: Answer<List<Span>> = await get<List<Span>>(id, `blame?limit=1${after}`)
      found.push(...body.data)
      cursor = body.next_cursor
      await edit(id, 'insert', { new_string: 'later' })
    }
    expect(found).toEqual(whole)
  })

  it('of an empty block is an empty list', async () => {
    const { id } = await makeBlock(rest)
    const { body } = await get(id, 'blame')
    expect(body).toMatchObject({ data: [], has_more: false, next_cursor: null, version: 1 })
  })
})

describe('GET /diff', () => {
  it('tells in words what changed, who wrote it and who took the old words away', async () => {
    const id = await written()
    const { body } = await get(id, 'diff?from=1&to=6')
    expect(body).toMatchObject({ object: 'list', block_id: id, from: 1, to: 6 })
    expect(body.data).toMatchObject([
      {
        ...{ line: 1, offset: 4, removed: 'unknown', added: 'Oakland' },
        ...{ before: 'HQ: ', after: ' 😀' },
        authors: [{ version: 3, type: 'TextReplaced', actor: { name: 'bob' }, run_id: null }],
        removed_by: [{ version: 3 }],
      },
      {
        ...{ line: 2, removed: '2023', added: '2022\nstaff: 12' },
        ...{ authors: [{ version: 2 }, { version: 4 }], removed_by: [{ version: 4 }] },
      },
    ])
    const { body: newest } = await get(id, 'diff')
    expect(newest).toMatchObject({ from: 5, to: 6, data: [] })
    const { body: first } = await get(id, 'diff?to=1')
    expect(first).toMatchObject({ from: 0, to: 1, data: [{ removed: '', line: 1 }] })
  })

  it('as a unified diff names the block as it was called then', async () => {
    const id = await written()
    const answer = await sendText(`/v1/blocks/${id}/diff?from=3&to=6&format=unified`)
    expect(answer.type).toBe('text/plain; charset=utf-8')
    expect(answer.text.split('\n')).toEqual([
      ...['--- notes@3', '+++ facts@6', '@@ -1,3 +1,3 @@', ' HQ: Oakland 😀'],
      ...['-founded: 2023', '+founded: 2022', ' staff: 12', '\\ No newline at end of file', ''],
    ])
    expect((await sendText(`/v1/blocks/${id}/diff?format=unified`)).text).toBe('')
  })
})

async function sendText(path: string): Promise<{ type: string | null; text: string }> {
  const response = await fetch(`${product.url}${path}`)
  return { type: response.headers.get('content-type'), text: await response.text() }
}

describe('GET /rejections', () => {
  it('lists refused commands, newest first, by page, without the keys of their callers', async () => {
    const { id } = await makeBlock(rest, { value: 'a' })
    const key = { 'idempotency-key': 'order-1' }
    await edit(id, 'replace', { old_string: 'x', new_string: 'y' }, key)
    await edit(id, 'insert', { new_string: 'b', insert_line: 9 })
    await edit(id, 'insert', { new_string: 'b', base_version: 7 }, { user_id: 'ann' })
    const { body, text } = await get(id, 'rejections')
    expect(body.data).toMatchObject([
      { code: 'version_from_future', at_version: 1, actor: { kind: 'user', name: 'ann' } },
      { code: 'line_out_of_range', facts: { line: 9, line_count: 1 } },
      { code: 'replace_no_match', command_id: expect.stringMatching(/^key-[0-9a-f]{32}$/) },
    ])
    expect(text).not.toContain('order-1')
    expect(body).toMatchObject({ object: 'list', has_more: false, next_cursor: null })
    const first = (await get(id, 'rejections?limit=2')).body
    const rest2 = (await get(id, `rejections?limit=2&after=${first.next_cursor}`)).body
    expect([...first.data, ...rest2.data]).toEqual(body.data)
    expect([first.has_more, rest2.has_more]).toEqual([true, false])
  })

  it('lists what an agent was refused outside a turn, in its name', async () => {
    const { id } = await makeBlock(rest, { value: 'a', read_only: true })
    const agent = await makeAgent(rest, [id])
    const path = `/v1/agents/${agent.id}/tools/memory_insert/run`
    await rest('POST', path, { args: { label: 'notes', new_string: 'b' } })
    const { body } = await get(id, 'rejections')
    expect(body.data).toMatchObject([
      { code: 'block_read_only', actor: { kind: 'agent', id: agent.id, name: 'agent1' } },
    ])
  })
})

describe('what cannot be answered', () => {
  const ROWS = [
    ['blame?at_version=0', 422, 'invalid_query'],
    ['blame?at_version=one', 422, 'invalid_query'],
    ['blame?at_version=7', 422, 'version_from_future'],
    ['blame?at=2026-01-02T03:04:05Z', 422, 'invalid_query'],
    ['blame?limit=0', 422, 'invalid_query'],
    ['blame?after=1', 400, 'invalid_cursor'],
    ['blame?after=1.2.3', 400, 'invalid_cursor'],
    ['blame?after=x.y', 400, 'invalid_cursor'],
    ['blame?after=1.2&at_version=2', 400, 'invalid_cursor'],
    ['diff?from=2&to=1', 422, 'invalid_query'],
    ['diff?from=-1', 422, 'invalid_query'],
    ['diff?to=0', 422, 'invalid_query'],
    ['diff?to=7', 422, 'version_from_future'],
    ['diff?from=7', 422, 'version_from_future'],
    ['diff?format=html', 422, 'invalid_query'],
    ['diff?context=3', 422, 'invalid_query'],
    ['rejections?order=asc', 422, 'invalid_query'],
    ['rejections?after=now', 400, 'invalid_cursor'],
    ['rejections?after=1.cmd-1', 400, 'invalid_cursor'],
    ['rejections?after=999999999999999.cmd-1', 400, 'invalid_cursor'],
    ['rejections?limit=1001', 422, 'invalid_query'],
  ] as const

  it.each(ROWS)('%s: %i %s', async (path, status, code) => {
    const { id } = await makeBlock(rest, { value: 'a' })
    await edit(id, 'insert', { new_string: 'b' })
    const answer = await get<Record<string, unknown>>(id, path)
    expect(answer).toMatchObject({ status, body: { code } })
    expect(answer.faults()).toEqual([])
  })

  it.each(['blame', 'diff', 'rejections', 'blame?at_version=1', 'diff?from=1&to=1'])(
    '%s of a block that never was: 404',
    async (path) => {
      const answer = await get<Record<string, unknown>>(`block-${randomUUID()}`, path)
      expect(answer).toMatchObject({ status: 404, body: { code: 'block_not_found' } })
      expect(answer.faults()).toEqual([])
    },
  )
})
