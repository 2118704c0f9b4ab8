import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Body, Controller, Get, Module, Param, Patch, Post, Query, Req } from '@nestjs/common'
import type { NestFastifyApplication } from '@nestjs/platform-fastify'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import {
  type BadInputRow,
  jsonRows,
  pathRows,
  queryRows,
  transportRows,
  unicodeRows,
} from '../../../test/support/bad-input.js'
import { problemFaults, send, sendBytes } from '../../../test/support/raw-request.js'
import { pathId } from './path-id.js'
import { Problem } from './problem.js'
import { asQuery, QueryReader } from './query.js'
import { actorOf, principalOf } from './request-context.js'
import { createServer } from './server.js'
import { absentOr, integer, jsonObject, text, zodBody } from './validation.js'

const newBlock = z.object({
  label: text(),
  value: text(),
  limit: absentOr(integer({ min: 1 })),
  read_only: absentOr(z.boolean()),
  metadata: absentOr(jsonObject()),
})
const insertion = z.strictObject({ new_string: text() })

@Controller('v1')
class Fixture {
  @Post('blocks')
  create(@Body(zodBody(newBlock)) body: unknown): unknown {
    return body
  }

  @Get('blocks')
  list(@Query(asQuery) query: QueryReader): unknown {
    query.text('value_search')
    query.text('label')
    return query.page({ limit: 50, order: 'asc', cursor: 'block' })
  }

  @Get('blocks/count')
  count(): number {
    return 3
  }

  @Get('blocks/:block_id')
  get(@Param('block_id', pathId('block')) id: string): string {
    return id
  }

  @Post('blocks/:block_id/insert')
  insert(@Body(zodBody(insertion)) body: unknown): unknown {
    return body
  }

  @Patch('agents/:agent_id/core-memory/blocks/attach/:block_id')
  attach(@Param('block_id', pathId('block')) id: string): unknown {
    return { attached: id }
  }

  @Get('agents/:agent_id/core-memory/blocks/:label')
  labelled(@Param('label') label: string): string {
    return label
  }

  @Post('nothing')
  nothing(): null {
    return null
  }

  @Get('who')
  who(@Req() request: FastifyRequest): unknown {
    return { actor: actorOf(request), principal: principalOf(request) }
  }

  @Get('broken')
  broken(): never {
    throw new Error('select secret from vault')
  }

  @Get('busy')
  busy(): never {
    throw new Problem('busy', 'Too many commands at once', { facts: { retry_after_ms: 1500 } })
  }
}

@Module({ controllers: [Fixture] })
class FixtureModule {}

/** Long enough for a body of megabytes on a machine that is busy. */
const requestTimeoutMs = 2_000

const targets = {
  blockId: 'block-a46ef94a-4480-4bc6-af91-5d24d141b3eb',
  agentId: 'agent-132a327b-ccfb-4db4-b228-00ed1567a5f1',
  requestTimeoutMs,
}

const logged: string[] = []
const logger = {
  log: () => undefined,
  warn: () => undefined,
  error: (message: unknown) => void logged.push(String(message)),
}

let app: NestFastifyApplication
let port: number

beforeAll(async () => {
  const options = { apiKey: null, simulated: 'model, search', logger, requestTimeoutMs }
  app = await createServer(FixtureModule, options)
  await app.listen(0, '127.0.0.1')
  port = (app.getHttpServer().address() as AddressInfo).port
})

afterAll(async () => {
  await app.close()
})

function itAnswers(rows: readonly BadInputRow[]): void {
  it.each(rows.map((row) => [row.row, row.input, row] as const))('%i %s', async (_n, _i, row) => {
    const [response] = await sendBytes(port, row.bytes, row.send)
    if (!response) throw new Error('no response')
    expect({ status: response.status, body: response.body }).toMatchObject({ status: row.status })
    if (row.code === undefined) return
    expect(JSON.parse(response.body).code).toBe(row.code)
    expect(problemFaults(response)).toEqual([])
  })
}

describe('transport and framing', () => {
  itAnswers(transportRows(targets))

  it('a body over the limit is told the limit in bytes', async () => {
    const body = `{"value":"${'a'.repeat(1_048_576)}"}`
    const response = await send(port, { method: 'POST', path: '/v1/blocks/', body })
    expect(JSON.parse(response.body)).toMatchObject({ code: 'body_too_large', limit: 1_048_576 })
  })

  it('bytes after a complete body are a request of their own', async () => {
    const bytes = Buffer.from(
      'POST /v1/nothing HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n\r\n}garbage\r\n\r\n',
    )
    const [first, second] = await sendBytes(port, bytes, { responses: 2 })
    expect(first).toMatchObject({ status: 200, body: 'null' })
    expect(JSON.parse(second?.body ?? '')).toMatchObject({ code: 'bad_framing' })
  })

  it.each([
    ['no Host', { host: null }],
    ['two Hosts', { Host: '127.0.0.1' }],
    ['an expectation nobody knows', { expect: 'the-unexpected' }],
    ['a claimed name that is not UTF-8', { user_id: '\xff' }],
    ['a claimed name of 201 characters', { user_id: 'a'.repeat(201) }],
  ])('%s is a bad header', async (_name, headers) => {
    const response = await send(port, { path: '/v1/who', headers })
    expect(problemFaults(response)).toEqual([])
    expect(JSON.parse(response.body).code).toBe('bad_header')
  })
})

describe('JSON semantics', () => {
  itAnswers(jsonRows(targets))

  it('of duplicate keys the last one counts, and -0 is 0', async () => {
    const body = '{"label":"x","value":"first","value":"last","metadata":{"n":-0}}'
    const response = await send(port, { method: 'POST', path: '/v1/blocks', body })
    expect(JSON.parse(response.body)).toEqual({ label: 'x', value: 'last', metadata: { n: 0 } })
  })

  it('no key of a request reaches a prototype', () => {
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  it('every invalid field is named at once', async () => {
    const body = '{"label":"x","value":5,"limit":"many"}'
    const response = await send(port, { method: 'POST', path: '/v1/blocks/', body })
    const detail = '2 fields are not valid: /value: expected a string; /limit: expected an integer'
    expect(JSON.parse(response.body)).toMatchObject({
      code: 'invalid_type',
      detail,
      errors: [
        { pointer: '/value', code: 'invalid_type', message: 'expected a string' },
        { pointer: '/limit', code: 'invalid_type', message: 'expected an integer' },
      ],
    })
  })
})

describe('Unicode', () => {
  itAnswers(unicodeRows())

  it.each(['😀', '\uffff', 'a\ufeffb', '\r\n\t\u2028', '  '])(
    '%j comes back unchanged',
    async (value) => {
      const body = JSON.stringify({ label: 'x', value })
      const response = await send(port, { method: 'POST', path: '/v1/blocks/', body })
      expect(JSON.parse(response.body).value).toBe(value)
    },
  )
})

describe('identifiers and paths', () => {
  itAnswers(pathRows(targets))

  it('an upper-case id is answered in lower case', async () => {
    const path = `/v1/blocks/block-${targets.blockId.slice(6).toUpperCase()}`
    expect((await send(port, { path })).body).toBe(JSON.stringify(targets.blockId))
  })

  it('a slash encoded in a label stays in the label', async () => {
    const path = `/v1/agents/${targets.agentId}/core-memory/blocks/team%2Fplan%20%C3%A9`
    expect((await send(port, { path })).body).toBe('"team/plan é"')
  })
})

describe('paging and query', () => {
  itAnswers(queryRows())
})

describe('answers', () => {
  it('POST answers 200, and null is JSON', async () => {
    const response = await send(port, { method: 'POST', path: '/v1/nothing' })
    expect(response).toMatchObject({ status: 200, body: 'null' })
    expect(response.headers['content-type']).toMatch(/^application\/json/)
  })

  it.each([
    ['/v1/blocks/count', '3'],
    [`/v1/blocks/${targets.blockId}`, JSON.stringify(targets.blockId)],
  ])('%s is JSON', async (path, body) => {
    const response = await send(port, { path })
    expect(response).toMatchObject({ status: 200, body })
    expect(response.headers['content-type']).toMatch(/^application\/json/)
  })

  it('both spellings of a trailing slash are one route', async () => {
    expect((await send(port, { path: '/v1/blocks' })).status).toBe(200)
    expect((await send(port, { path: '/v1/blocks/' })).status).toBe(200)
  })

  it('an unknown route is not_found, whatever its body looks like', async () => {
    const response = await send(port, { method: 'POST', path: '/v1/nowhere?q=1', body: '{' })
    expect(problemFaults(response)).toEqual([])
    expect(JSON.parse(response.body)).toMatchObject({
      code: 'not_found',
      detail: 'There is no route POST /v1/nowhere',
    })
  })

  it('the request id of the caller comes back; one that is not visible ASCII is replaced', async () => {
    const headers = { 'x-request-id': 'mine-1' }
    const kept = await send(port, { path: '/v1/who', headers })
    expect(kept.headers['x-request-id']).toBe('mine-1')
    const replaced = await send(port, { path: '/v1/who', headers: { 'x-request-id': 'a b' } })
    expect(replaced.headers['x-request-id']).toMatch(/^req-[0-9a-f-]{36}$/)
  })

  it('simulation is said on every response', async () => {
    for (const path of ['/v1/who', '/v1/nowhere']) {
      expect((await send(port, { path })).headers['x-palimpsest-simulated']).toBe('model, search')
    }
  })

  it('a fault of ours leaks nothing and is logged with the request id', async () => {
    const response = await send(port, {
      path: '/v1/broken',
      headers: { 'x-request-id': 'trace-me' },
    })
    expect(problemFaults(response)).toEqual([])
    expect(response.body).not.toContain('secret')
    expect(JSON.parse(response.body)).toMatchObject({
      status: 500,
      code: 'internal',
      detail: 'An unknown error occurred',
    })
    expect(
      logged.filter((line) => line.includes('trace-me') && line.includes('vault')),
    ).toHaveLength(1)
  })

  it('where waiting helps, the answer says how long', async () => {
    const { status, headers } = await send(port, { path: '/v1/busy' })
    expect(status).toBe(503)
    expect(headers).toMatchObject({
      'x-should-retry': 'true',
      'retry-after': '2',
      'retry-after-ms': '1500',
    })
  })
})
