import { createHash } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type BeforeApplicationShutdown, Controller, Get, Module, Req } from '@nestjs/common'
import type { NestFastifyApplication } from '@nestjs/platform-fastify'
import type { FastifyRequest } from 'fastify'
import { problemFaults, type RawResponse, send } from '../../../test/support/raw-request.js'
import { idempotencyKeyOf, ifMatchOf, isNotModified } from './idempotency-key.js'
import { actorOf, principalOf } from './request-context.js'
import { createServer } from './server.js'

@Controller()
class Fixture {
  @Get('v1/who')
  who(@Req() request: FastifyRequest): unknown {
    return { actor: actorOf(request), principal: principalOf(request) }
  }

  @Get('v1/preconditions')
  preconditions(@Req() request: FastifyRequest): unknown {
    return {
      key: idempotencyKeyOf(request),
      if_match: ifMatchOf(request),
      not_modified: isNotModified(request, 7),
    }
  }

  @Get(['v1/health', 'health/live', 'health/ready'])
  health(): unknown {
    return { status: 'ok' }
  }
}

/** Holds the shutdown open for as long as the test needs. */
class SlowToClose implements BeforeApplicationShutdown {
  static entered: () => void = () => undefined
  static until: Promise<void> = Promise.resolve()

  async beforeApplicationShutdown(): Promise<void> {
    SlowToClose.entered()
    await SlowToClose.until
  }
}

@Module({ controllers: [Fixture], providers: [SlowToClose] })
class FixtureModule {}

const KEY = createHash('sha256').update('door.spec').digest('hex')

let open: NestFastifyApplication
let locked: NestFastifyApplication

beforeAll(async () => {
  open = await createServer(FixtureModule, { apiKey: null, logger: false })
  locked = await createServer(FixtureModule, { apiKey: KEY, logger: false })
  await Promise.all([open.listen(0, '127.0.0.1'), locked.listen(0, '127.0.0.1')])
})

afterAll(async () => {
  await Promise.all([open.close(), locked.close()])
})

type Headers = Record<string, string | null>

function ask(app: NestFastifyApplication, path: string, headers: Headers = {}) {
  const { port } = app.getHttpServer().address() as AddressInfo
  return send(port, { path, headers })
}

function expectProblem(response: RawResponse, status: number, code: string): void {
  expect(problemFaults(response)).toEqual([])
  expect([response.status, JSON.parse(response.body).code]).toEqual([status, code])
}

describe('with a key configured', () => {
  it.each([
    ['no key', {}],
    ['a malformed scheme', { authorization: `Basic ${KEY}` }],
    ['the key without a scheme', { authorization: KEY }],
    ['an empty token', { authorization: 'Bearer ' }],
    ['another key', { authorization: `Bearer ${KEY}0` }],
  ])('%s is refused, on unknown routes too', async (_name, headers) => {
    for (const path of ['/v1/who', '/v1/nowhere']) {
      const response = await ask(locked, path, headers)
      expectProblem(response, 401, 'unauthorized')
      expect(response.headers['www-authenticate']).toBe('Bearer')
      expect(JSON.parse(response.body)).toEqual({
        type: '/docs/errors/unauthorized',
        title: 'Not authenticated',
        status: 401,
        code: 'unauthorized',
        detail: 'The bearer token is missing or not known',
        message: 'The bearer token is missing or not known',
        hint: 'Send Authorization: Bearer <token>.',
        request_id: response.headers['x-request-id'],
      })
    }
  })

  it('the key opens, and names the actor and the claimed name', async () => {
    const claimed = Buffer.from('Zoë').toString('latin1')
    const headers = { authorization: `bearer ${KEY}`, user_id: claimed }
    expect(JSON.parse((await ask(locked, '/v1/who', headers)).body)).toEqual({
      actor: { kind: 'api_key', id: 'default', name: 'Zoë' },
      principal: 'api_key:default',
    })
  })

  it.each(['/v1/health', '/v1/health/', '/health/live', '/health/ready'])(
    '%s needs no key',
    async (path) => {
      expect((await ask(locked, path)).status).toBe(200)
    },
  )

  it('two keys are a bad header', async () => {
    const headers = { authorization: `Bearer ${KEY}`, Authorization: 'Bearer other' }
    expectProblem(await ask(locked, '/v1/who', headers), 400, 'bad_header')
  })

  it('any name may be the Host', async () => {
    const headers = { authorization: `Bearer ${KEY}`, host: 'palimpsest.example' }
    expect((await ask(locked, '/v1/who', headers)).status).toBe(200)
  })
})

describe('without a key', () => {
  it('any token is accepted and ignored', async () => {
    const response = await ask(open, '/v1/who', { authorization: 'Bearer whatever' })
    expect(JSON.parse(response.body)).toEqual({
      actor: { kind: 'user', id: 'local' },
      principal: 'user:local',
    })
  })

  it.each(['localhost:8283', '127.0.0.1', '[::1]:8283', 'api.localhost', '10.0.0.7:80'])(
    'Host %s is ours',
    async (host) => {
      expect((await ask(open, '/v1/who', { host })).status).toBe(200)
    },
  )

  it.each([
    ['a name rebound to loopback', { host: 'evil.example:8283' }],
    ['a name that only looks like an address', { host: '127.0.0.1.evil.example' }],
    ['a page of another origin', { host: 'localhost:8283', origin: 'https://evil.example' }],
    ['a page of no origin', { host: 'localhost:8283', origin: 'null' }],
  ])('%s is refused', async (_name, headers) => {
    expectProblem(await ask(open, '/v1/who', headers), 400, 'bad_header')
  })

  it('a page served from here may call', async () => {
    const headers = { host: 'localhost:8283', origin: 'http://localhost:8283' }
    expect((await ask(open, '/v1/who', headers)).status).toBe(200)
  })
})

describe('preconditions', () => {
  it.each([
    [105, 'a key of 300 characters', { 'idempotency-key': 'k'.repeat(300) }, 422],
    [106, 'an empty key', { 'idempotency-key': '' }, 422],
    [106, 'a key with a space', { 'idempotency-key': 'a b' }, 422],
  ])('%i %s is refused', async (_row, _input, headers, status) => {
    expectProblem(await ask(open, '/v1/preconditions', headers), status, 'idempotency_key_invalid')
  })

  it.each([
    [112, 'a weak ETag', 'W/"7"', 'weak_etag'],
    [112, 'a version without quotes', '7', 'bad_header'],
    [112, 'two versions', '"7", "8"', 'bad_header'],
    [112, 'no version', '"x"', 'bad_header'],
  ])('%i %s is refused', async (_row, _input, etag, code) => {
    expectProblem(await ask(open, '/v1/preconditions', { 'if-match': etag }), 400, code)
  })

  it('a key, a version and an ETag are read as sent', async () => {
    const headers = {
      'idempotency-key': 'k'.repeat(255),
      'if-match': '"7"',
      'if-none-match': '"6", W/"7"',
    }
    expect(JSON.parse((await ask(open, '/v1/preconditions', headers)).body)).toEqual({
      key: 'k'.repeat(255),
      if_match: 7,
      not_modified: true,
    })
    expect(JSON.parse((await ask(open, '/v1/preconditions')).body)).toEqual({
      key: null,
      if_match: null,
      not_modified: false,
    })
  })
})

it('while shutting down, a new request is told to come back', async () => {
  const app = await createServer(FixtureModule, { apiKey: null, logger: false })
  await app.listen(0, '127.0.0.1')
  let release: () => void = () => undefined
  SlowToClose.until = new Promise((resolve) => {
    release = resolve
  })
  const entered = new Promise<void>((resolve) => {
    SlowToClose.entered = resolve
  })
  const closed = app.close()
  await entered
  const response = await ask(app, '/v1/who')
  expectProblem(response, 503, 'not_ready')
  expect(response.headers['x-should-retry']).toBe('true')
  release()
  await closed
})
