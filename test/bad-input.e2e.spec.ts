import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Pool } from 'pg'
import { ChangeBlock, ChangeBlockHandler } from '#commands/change-block.js'
import { WRITER_CONNECTIONS, WRITER_SETTINGS, Writer } from '#event-store/writer.js'
import { createPool } from '#postgres/database.js'
import { project } from '#read-models/projection.js'
import {
  type BadInputRow,
  jsonRows,
  pathRows,
  queryRows,
  type Targets,
  transportRows,
  unicodeRows,
} from './support/bad-input.js'
import { type Product, startProduct } from './support/product.js'
import { requestBytes, sendBytes } from './support/raw-request.js'
import { type Answer, answerOf, makeAgent, makeBlock, type Rest, restOf } from './support/rest.js'

/** Long enough for a megabyte to come and be read, also while other work goes on. */
const REQUEST_TIMEOUT_MS = 1_500
/** The rows need ids when they are named: these are put in place of the real ones. */
const STAND_INS: Targets = {
  blockId: `block-${randomUUID()}`,
  agentId: `agent-${randomUUID()}`,
  requestTimeoutMs: REQUEST_TIMEOUT_MS,
}

let product: Product
let rest: Rest
let pool: Pool
let blockId: string
let agentId: string

beforeAll(async () => {
  product = await startProduct({ workers: 0, requestTimeoutMs: REQUEST_TIMEOUT_MS })
  rest = restOf(product.port)
  pool = createPool(product.databaseUrl, { max: 2 })
  blockId = (await makeBlock(rest, { label: 'target', value: 'one' })).id
  agentId = (await makeAgent(rest)).id
})

afterAll(async () => {
  await pool.end()
  await product.close()
  expect(product.logged).toEqual([])
})

async function eventCount(): Promise<number> {
  const { rows } = await pool.query('select count(*)::int as count from events')
  return rows[0].count
}

function aimed(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1')
  const upper = (id: string) => id.slice(id.indexOf('-') + 1).toUpperCase()
  const aim = text
    .replaceAll(STAND_INS.blockId, blockId)
    .replaceAll(STAND_INS.agentId, agentId)
    .replaceAll(upper(STAND_INS.blockId), upper(blockId))
  return Buffer.from(aim, 'latin1')
}

function itAnswers(rows: readonly BadInputRow[]): void {
  it.each(rows.map((row) => [row.row, row.input, row] as const))('%i %s', async (_n, _i, row) => {
    const before = await eventCount()
    const [response] = await sendBytes(product.port, aimed(row.bytes), row.send)
    if (!response) throw new Error('no response')
    const { status, body, headers } = response
    expect({ status, body }).toMatchObject({ status: row.status })
    if (row.code === undefined) {
      expect(headers['content-type']).toMatch(/^application\/json/)
      return
    }
    expect(JSON.parse(body)).toMatchObject({ code: row.code })
    expect(answerOf(response).faults()).toEqual([])
    expect(await eventCount()).toBe(before)
  })
}

function refused(answer: Answer, status: number, code: string, facts: object = {}): void {
  expect(answer).toMatchObject({ status, body: { code, ...facts } })
  expect(answer.faults()).toEqual([])
}

const history = async (id: string) =>
  (await rest<{ data: { type: string }[] }>('GET', `/v1/blocks/${id}/history`)).body.data

describe('transport and framing', () => itAnswers(transportRows(STAND_INS)))
describe('JSON semantics', () => itAnswers(jsonRows(STAND_INS)))
describe('Unicode in a new block', () => itAnswers(unicodeRows()))
describe('paging and query', () => itAnswers(queryRows()))

describe('what is accepted comes back as it was meant', () => {
  it.each([
    [17, 'the last of duplicate keys', '"value":"first","value":"last"', { value: 'last' }],
    [28, '-0 as 0', '"value":"x","metadata":{"n":-0}', { metadata: { n: 0 } }],
    [36, 'a pair', '"value":"\\ud83d\\ude00"', { value: '\u{1f600}' }],
    [37, 'U+FFFF', '"value":"\uffff"', { value: '\uffff' }],
    [38, 'a BOM', '"value":"a\ufeffb"', { value: 'a\ufeffb' }],
  ])('%i %s', async (_row, _input, members, expected) => {
    const body = `{"label":"kept",${members}}`
    const bytes = requestBytes({ method: 'POST', path: '/v1/blocks/', body })
    const [made] = await sendBytes(product.port, bytes)
    const { id } = JSON.parse(made?.body ?? '')
    const { text, body: block } = await rest('GET', `/v1/blocks/${id}`)
    expect(block).toMatchObject(expected)
    expect(text).not.toContain('"n":-0')
  })
})

describe('identifiers and paths', () => {
  itAnswers(pathRows(STAND_INS))

  it('61 a deleted id is gone, of a block and of an agent, and the history stays readable', async () => {
    const { id } = await makeBlock(rest)
    const agent = await makeAgent(rest)
    await rest('DELETE', `/v1/blocks/${id}`)
    await rest('DELETE', `/v1/agents/${agent.id}`)
    refused(await rest('GET', `/v1/blocks/${id}`), 404, 'gone', { block_id: id })
    refused(await rest('GET', `/v1/agents/${agent.id}`), 404, 'gone', { agent_id: agent.id })
    refused(await rest('DELETE', `/v1/agents/${agent.id}`), 404, 'gone')
    expect(await history(id)).toHaveLength(2)
    expect((await rest('GET', `/v1/blocks/${id}?at_version=1`)).status).toBe(200)
  })

  it("62, 74 another tenant's block, as id and as cursor, is answered as one that never was", async () => {
    const theirs = await blockOfAnotherTenant()
    const nobodys = `block-${randomUUID()}`
    const sameId = { 'x-request-id': 'compare' }
    for (const [method, path, body] of [
      ['GET', '/v1/blocks/ID'],
      ['GET', '/v1/blocks/ID?at_version=1'],
      ['GET', '/v1/blocks/ID/history'],
      ['GET', '/v1/blocks/ID/agents'],
      ['PATCH', '/v1/blocks/ID', { value: 'x' }],
      ['DELETE', '/v1/blocks/ID'],
      ['POST', '/v1/blocks/ID/insert', { new_string: 'x' }],
      ['PATCH', `/v1/agents/${agentId}/core-memory/blocks/attach/ID`],
      ['GET', '/v1/blocks/?after=ID'],
    ] as const) {
      const ask = async (id: string) => {
        const answer = await rest(method, path.replace('ID', id), body, sameId)
        expect(answer.faults()).toEqual([])
        return { ...answer, text: answer.text.replaceAll(id, 'ID') }
      }
      const [other, unknown] = [await ask(theirs), await ask(nobodys)]
      expect(other.text).toBe(unknown.text)
      const [status, code] = path.includes('after=')
        ? [400, 'invalid_cursor']
        : [404, 'block_not_found']
      expect(other).toMatchObject({ status, body: { code } })
    }
  })

  it.each(['a/b.c', '.', '..', 'a%2Fb', 'é', '\u{1f600}'.repeat(100)])(
    '63 label %j is accepted, and found under it',
    async (label) => {
      const block = await makeBlock(rest, { label })
      const agent = await makeAgent(rest, [block.id])
      const path = `/v1/agents/${agent.id}/core-memory/blocks/${encodeURIComponent(label)}`
      expect((await rest('GET', path)).body).toMatchObject({ id: block.id, label })
    },
  )

  it.each([
    [63, 'a control character', 'a\u0007b'],
    [63, '<', 'a<b'],
    [63, '>', 'a>b'],
    [63, '&', 'a&b'],
    [63, 'a space before', ' a'],
    [63, 'a space behind', 'a '],
    [63, 'nothing', ''],
    [64, '10 KB', 'a'.repeat(10_240)],
    [64, '101 code points', '\u{1f600}'.repeat(101)],
  ])('%i a label of %s, in a new block, a rename and a new agent', async (_row, _what, label) => {
    const before = await eventCount()
    const memory_blocks = [{ label, value: '' }]
    for (const answer of [
      await rest('POST', '/v1/blocks/', { label, value: '' }),
      await rest('PATCH', `/v1/blocks/${blockId}`, { label }),
      await rest('POST', '/v1/agents/', { model: 'openai/m', memory_blocks }),
    ]) {
      refused(answer, 422, 'invalid_label')
    }
    expect(await eventCount()).toBe(before)
  })

  it('65 a duplicate label on an agent', async () => {
    const blocks = [await makeBlock(rest), await makeBlock(rest)]
    const agent = await makeAgent(rest, [blocks[0]?.id as string])
    const before = await eventCount()
    const path = `/v1/agents/${agent.id}/core-memory/blocks/attach/${blocks[1]?.id}`
    refused(await rest('PATCH', path), 409, 'label_taken', { block_id: blocks[0]?.id })
    expect(await eventCount()).toBe(before)
  })

  it('66 labels that differ only in case or normal form are distinct, and the answer warns', async () => {
    const blocks = await Promise.all(
      ['Caf\u00e9', 'cafe\u0301', 'tea'].map((label) => makeBlock(rest, { label })),
    )
    const [first, second, third] = blocks.map(({ id }) => id) as [string, string, string]
    const agent = await makeAgent(rest, [first])
    const attach = (id: string) =>
      rest('PATCH', `/v1/agents/${agent.id}/core-memory/blocks/attach/${id}`)
    const warned = await attach(second)
    expect(warned.status).toBe(200)
    expect(warned.headers['x-palimpsest-warning']).toBe(`similar_labels ${first} ${second}`)
    const both = { name: 'x', model: 'openai/m', block_ids: [first, second] }
    const made = await rest('POST', '/v1/agents/', both)
    expect(made.headers['x-palimpsest-warning']).toBe(`similar_labels ${first} ${second}`)
    const other = await makeAgent(rest, [first])
    const fine = await rest('PATCH', `/v1/agents/${other.id}/core-memory/blocks/attach/${third}`)
    expect(fine.headers['x-palimpsest-warning']).toBeUndefined()
    const path = `/v1/agents/${other.id}/core-memory/blocks/tea`
    const renamed = await rest('PATCH', path, { label: 'CAF\u00c9' })
    expect(renamed.headers['x-palimpsest-warning']).toBe(`similar_labels ${first} ${third}`)
  })
})

describe('cursors', () => {
  it.each([
    [75, 'a block, of agents', '/v1/agents/?after=BLOCK'],
    [75, 'an agent, of blocks', '/v1/blocks/?before=AGENT'],
    [75, 'a block the agent does not have', '/v1/agents/AGENT/core-memory/blocks?after=BLOCK'],
    [74, 'an agent nobody has', `/v1/agents/?after=agent-${randomUUID()}`],
    [74, 'a run nobody has', `/v1/runs/?after=run-${randomUUID()}`],
    [74, 'a step nobody has', `/v1/steps/?after=step-${randomUUID()}`],
    [74, 'a tool nobody has', `/v1/tools/?after=tool-${randomUUID()}`],
    [74, 'a message nobody has', `/v1/agents/AGENT/messages?after=message-${randomUUID()}`],
    [73, 'no version', '/v1/blocks/BLOCK/history?after=x'],
    [73, 'a version that no column holds', '/v1/blocks/BLOCK/history?after=9999999999'],
  ])('%i %s is refused', async (_row, _what, path) => {
    const { id } = await makeBlock(rest)
    const aim = path.replace('AGENT', agentId).replace('BLOCK', id)
    refused(await rest('GET', aim), 400, 'invalid_cursor')
  })
})

describe('messages', () => {
  const message = (content: string, role = 'user') => ({ messages: [{ role, content }] })

  it.each<[number, string, object, number, string]>([
    [123, 'zero messages', { messages: [] }, 422, 'empty_messages'],
    [123, 'neither messages nor input', {}, 422, 'invalid_argument'],
    [124, 'an unknown role', message('x', 'oracle'), 422, 'invalid_argument'],
    [126, 'a message of 1 MB', message('a'.repeat(1_048_576)), 413, 'body_too_large'],
    [126, 'a message of 100 001 characters', message('a'.repeat(100_001)), 422, 'message_too_long'],
    [31, 'NUL in a message', message('\0'), 422, 'nul_not_allowed'],
    [33, 'a lone surrogate in a message', message('\ud800'), 422, 'lone_surrogate'],
  ])('%i %s starts no turn', async (_row, _what, body, status, code) => {
    const before = await eventCount()
    for (const path of ['messages', 'messages/async']) {
      refused(await rest('POST', `/v1/agents/${agentId}/${path}`, body), status, code)
    }
    expect(await eventCount()).toBe(before)
  })
})

async function blockOfAnotherTenant(): Promise<string> {
  const writes = createPool(product.databaseUrl, {
    max: WRITER_CONNECTIONS,
    settings: WRITER_SETTINGS,
  })
  const id = `block-${randomUUID()}`
  const by = { tenantId: 'another', actor: { kind: 'user', id: 'local' } } as const
  const create = { type: 'CreateBlock', value: 'theirs', settings: { label: 'secret' } } as const
  const handler = new ChangeBlockHandler(new Writer({ writes, reads: pool, project }))
  expect(await handler.execute(new ChangeBlock(id, create, by))).toMatchObject({ ok: true })
  await writes.end()
  return id
}
