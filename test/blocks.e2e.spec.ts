import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import Letta from '@letta-ai/letta-client'
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

const read = async (id: string) => (await rest<WireBlock>('GET', `/v1/blocks/${id}`)).body
const types = async (id: string) => {
  const { body } = await rest<{ data: { type: string }[] }>('GET', `/v1/blocks/${id}/history`)
  return body.data.map(({ type }) => type)
}
const attachPath = (agentId: string, blockId: string) =>
  `/v1/agents/${agentId}/core-memory/blocks/attach/${blockId}`
const agentCount = async () => (await rest<number>('GET', '/v1/agents/count')).body

describe('shared blocks', () => {
  it('two writes from one read: the last wins, unless If-Match; both are in the history, and no conflict is sent twice', async () => {
    const { id } = await makeBlock(rest, { value: 'read' })
    let requests = 0
    const client = new Letta({
      apiKey: 'any',
      baseURL: product.url,
      fetch: (...args) => {
        requests++
        return fetch(...args)
      },
    })
    await client.blocks.update(id, { value: 'first' })
    await client.blocks.update(id, { value: 'second' })
    expect(await read(id)).toMatchObject({ value: 'second', version: 3 })
    expect(await types(id)).toEqual(['BlockCreated', 'BlockRethought', 'BlockRethought'])
    requests = 0
    const guarded = client.blocks.update(id, { value: 'x' }, { headers: { 'if-match': '"1"' } })
    await expect(guarded).rejects.toMatchObject({
      status: 412,
      error: { code: 'version_conflict' },
    })
    expect(requests).toBe(1)
    const other = await makeBlock(rest)
    const agent = await makeAgent(rest, [id])
    requests = 0
    const taken = client.agents.blocks.attach(other.id, { agent_id: agent.id })
    await expect(taken).rejects.toMatchObject({ status: 409, error: { code: 'label_taken' } })
    expect(requests).toBe(1)
  })

  it('a second block with a label of the agent: refused by attach, by rename and at the creation', async () => {
    const [first, second] = [await makeBlock(rest), await makeBlock(rest)]
    const agent = await makeAgent(rest, [first.id])
    const taken = { status: 409, body: { code: 'label_taken', block_id: first.id } }
    expect(await rest('PATCH', attachPath(agent.id, second.id))).toMatchObject(taken)
    const third = await makeBlock(rest, { label: 'third' })
    await rest('PATCH', attachPath(agent.id, third.id))
    const rename = await rest('PATCH', `/v1/blocks/${third.id}`, { label: 'notes' })
    expect(rename).toMatchObject(taken)
    const path = `/v1/agents/${agent.id}/core-memory/blocks/third`
    expect(await rest('PATCH', path, { label: 'notes' })).toMatchObject(taken)
    const before = await agentCount()
    const both = { model: 'openai/m', block_ids: [first.id, second.id] }
    expect(await rest('POST', '/v1/agents/', both)).toMatchObject({
      status: 409,
      body: { code: 'label_taken' },
    })
    expect(await agentCount()).toBe(before)
    expect(await read(first.id)).toMatchObject({ version: 2 })
    expect(await read(second.id)).toMatchObject({ version: 1 })
  })

  it('unknown, deleted or malformed block_ids and unknown tools: no agent is left, nor a block made with it', async () => {
    const gone = await makeBlock(rest)
    await rest('DELETE', `/v1/blocks/${gone.id}`)
    const before = [await agentCount(), (await rest<number>('GET', '/v1/blocks/count')).body]
    const fresh = { memory_blocks: [{ label: 'fresh', value: 'x' }] }
    const toolId = `tool-${randomUUID()}`
    for (const [fields, status, code] of [
      [{ block_ids: [`block-${randomUUID()}`] }, 404, 'block_not_found'],
      [{ block_ids: [gone.id] }, 404, 'gone'],
      [{ block_ids: ['block-1'] }, 422, 'invalid_id'],
      [{ tools: ['no_such_tool'] }, 400, 'tools_not_found'],
      [{ tool_ids: [toolId] }, 404, 'tool_not_found'],
      [{ model: null }, 400, 'model_required'],
    ] as const) {
      const body = { model: 'openai/m', ...fresh, ...fields }
      const answer = await rest('POST', '/v1/agents/', body)
      expect(answer).toMatchObject({ status, body: { code } })
      expect(answer.faults()).toEqual([])
    }
    expect([await agentCount(), (await rest<number>('GET', '/v1/blocks/count')).body]).toEqual(
      before,
    )
  })

  it('deleting a block that is attached detaches it everywhere, and its history stays', async () => {
    const { id } = await makeBlock(rest, { value: 'kept' })
    const agents = [await makeAgent(rest, [id]), await makeAgent(rest, [id])]
    const deleted = await rest<null>('DELETE', `/v1/blocks/${id}`)
    expect(deleted).toMatchObject({ status: 200, text: 'null' })
    for (const agent of agents) {
      const { body } = await rest<{ blocks: [] }>('GET', `/v1/agents/${agent.id}`)
      expect(body.blocks).toEqual([])
    }
    expect(await types(id)).toEqual([
      'BlockCreated',
      'AgentAttached',
      'AgentAttached',
      'BlockDeleted',
    ])
    const past = await rest('GET', `/v1/blocks/${id}?at_version=3`)
    expect(past.body).toMatchObject({ value: 'kept', version: 3 })
    const list = await rest<WireBlock[]>('GET', '/v1/blocks/?limit=1000')
    expect(list.body.map((block) => block.id)).not.toContain(id)
  })

  it('deleting an agent leaves its blocks', async () => {
    const { id } = await makeBlock(rest, { value: 'kept' })
    const agent = await makeAgent(rest, [id])
    await rest('DELETE', `/v1/agents/${agent.id}`)
    expect(await read(id)).toMatchObject({ value: 'kept', version: 3 })
    expect(await types(id)).toEqual(['BlockCreated', 'AgentAttached', 'AgentDetached'])
  })

  it('a label with a slash is one segment of the path, written %2F', async () => {
    const { id } = await makeBlock(rest, { label: 'team/plan/a b', value: 'x' })
    const agent = await makeAgent(rest, [id])
    const path = `/v1/agents/${agent.id}/core-memory/blocks/team%2Fplan%2Fa%20b`
    expect((await rest('GET', path)).body).toMatchObject({ id })
    expect((await rest('PATCH', path, { value: 'y' })).body).toMatchObject({ id, value: 'y' })
    const split = await rest('GET', `/v1/agents/${agent.id}/core-memory/blocks/team/plan`)
    expect(split).toMatchObject({ status: 404, body: { code: 'not_found' } })
  })
})

describe('PATCH', () => {
  const FULL = {
    label: 'full',
    value: 'text',
    limit: 50,
    description: 'what for',
    read_only: true,
    tags: ['a', 'b'],
    metadata: { n: 1 },
    hidden: true,
    project_id: 'p',
    template_name: 't',
    preserve_on_migration: true,
  }

  it('null never clears, and what is there already makes no event', async () => {
    const made = await makeBlock(rest, FULL)
    const nulls = Object.fromEntries(Object.keys(FULL).map((key) => [key, null]))
    for (const patch of [nulls, FULL, {}, { unknown: 1 }]) {
      const answer = await rest('PATCH', `/v1/blocks/${made.id}`, patch)
      expect(answer).toMatchObject({ status: 200, headers: { etag: '"1"' } })
      expect(answer.body).toEqual(made)
    }
    expect(await types(made.id)).toEqual(['BlockCreated'])
  })

  it('of text and settings is two events in one answer', async () => {
    const { id } = await makeBlock(rest, FULL)
    const patch = { value: 'new', description: '', tags: [], metadata: {} }
    const { body } = await rest('PATCH', `/v1/blocks/${id}`, patch)
    expect(body).toMatchObject({ ...FULL, ...patch, version: 3 })
    expect(await types(id)).toEqual(['BlockCreated', 'BlockRethought', 'BlockConfigured'])
  })

  it('of an agent: null never clears, and what is there already changes nothing', async () => {
    const block = await makeBlock(rest)
    const agent = await makeAgent(rest, [block.id], { tags: ['a'], description: 'd' })
    const path = `/v1/agents/${agent.id}`
    const before = (await rest('GET', path)).text
    for (const patch of [
      { name: null, tags: null, description: null, block_ids: null, tool_ids: null, model: null },
      { name: 'agent1', tags: ['a'], block_ids: [block.id] },
      {},
    ]) {
      expect((await rest('PATCH', path, patch)).text).toBe(before)
    }
    expect(await read(block.id)).toMatchObject({ version: 2 })
  })
})

describe('the list of blocks', () => {
  let none: string
  let one: string
  let two: string

  beforeAll(async () => {
    const tagged = { tags: ['zebra', 'yak'], description: 'Über 100%', value: 'snake_case' }
    none = (await makeBlock(rest, { label: 'filter/none', ...tagged })).id
    one = (await makeBlock(rest, { label: 'filter/one', tags: ['zebra'], value: 'snakeXcase' })).id
    const long = `${'x'.repeat(5_000)}Needle`
    two = (await makeBlock(rest, { label: 'filter/two', value: long })).id
    await makeBlock(rest, { label: 'filter/hidden', tags: ['zebra'], hidden: true })
    await makeBlock(rest, { label: 'filter/template', is_template: true, template_name: 'tpl' })
    await makeAgent(rest, [one, two])
    await makeAgent(rest, [two])
  })

  const found = async (query: string): Promise<string[]> => {
    const { status, body } = await rest<WireBlock[]>('GET', `/v1/blocks/?limit=1000&${query}`)
    expect(status).toBe(200)
    return body.map(({ label }) => label.replace('filter/', ''))
  }

  it.each([
    ['label=filter/one', ['one']],
    ['label=filter/', []],
    ['label_search=FILTER/', ['none', 'one', 'two']],
    ['label_search=filter%25', []],
    ['description_search=%C3%BCBER%20100%25', ['none']],
    ['value_search=snake_', ['none']],
    ['value_search=needle', ['two']],
    ['tags=yak&tags=zebra', ['none', 'one']],
    ['tags=yak&tags=zebra&match_all_tags=true', ['none']],
    ['tags=zebra&show_hidden_blocks=true', ['none', 'one', 'hidden']],
    ['label_search=filter/&connected_to_agents_count_eq=0', ['none']],
    ['label_search=filter/&connected_to_agents_count_gt=0', ['one', 'two']],
    ['label_search=filter/&connected_to_agents_count_lt=2', ['none', 'one']],
    [
      'label_search=filter/&connected_to_agents_count_eq=0&connected_to_agents_count_eq=2',
      ['none', 'two'],
    ],
    ['label_search=filter/&templates_only=true', ['template']],
    ['name=tpl&templates_only=true', ['template']],
    ['identity_id=identity-x', []],
    ['label_search=filter/&order=desc', ['two', 'one', 'none']],
    ['label_search=filter/&order=desc&limit=1', null],
  ])('%s', async (query, expected) => {
    if (expected) expect(await found(query)).toEqual(expected)
    else expect((await rest('GET', `/v1/blocks/?${query}&limit=2`)).status).toBe(422)
  })

  it('before and after are relative to the order, and before takes the nearest', async () => {
    const page = (more: string) =>
      rest<WireBlock[]>('GET', `/v1/blocks/?label_search=filter/&limit=1&${more}`)
    expect((await page(`after=${none}`)).body).toMatchObject([{ id: one }])
    expect((await page(`before=${two}`)).body).toMatchObject([{ id: one }])
    expect((await page(`after=${two}&order=desc`)).body).toMatchObject([{ id: one }])
    expect((await page(`before=${none}&order=desc`)).body).toMatchObject([{ id: one }])
    expect((await page(`after=${two}`)).text).toBe('[]')
    await rest('DELETE', `/v1/blocks/${one}`)
    expect((await page(`after=${one}`)).body).toMatchObject([{ id: two }])
  })
})
