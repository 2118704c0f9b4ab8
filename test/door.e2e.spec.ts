import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type Product, startProduct } from './support/product.js'
import { makeAgent, makeBlock, type Rest, restOf } from './support/rest.js'
import { filled, routeTable } from './support/route-table.js'

const KEY = randomBytes(24).toString('base64url')
const PROBES = ['/v1/health', '/health/live', '/health/ready']

async function firstActor(rest: Rest, headers: Record<string, string>): Promise<unknown> {
  const block = { label: 'x', value: '' }
  const made = await rest<{ id: string }>('POST', '/v1/blocks/', block, headers)
  expect(made.status).toBe(200)
  const path = `/v1/blocks/${made.body.id}/history`
  const { body } = await rest<{ data: { actor: object }[] }>('GET', path, undefined, headers)
  return body.data[0]?.actor
}

describe('with PALIMPSEST_API_KEY', () => {
  let product: Product
  let rest: Rest
  const bearer = { authorization: `Bearer ${KEY}` }

  beforeAll(async () => {
    product = await startProduct({ workers: 0, env: { PALIMPSEST_API_KEY: KEY } })
    rest = restOf(product.port)
  })

  afterAll(async () => {
    await product.close()
    expect(product.logged).toEqual([])
  })

  const guarded = routeTable().filter(({ path }) => !PROBES.includes(path))

  it.each(guarded.map(({ method, path }) => [method, path] as const))(
    '%s %s needs it',
    async (method, path) => {
      for (const headers of [undefined, { authorization: `Bearer ${KEY}x` }]) {
        const answer = await rest(method, filled(path), undefined, headers)
        expect(answer).toMatchObject({ status: 401, body: { code: 'unauthorized' } })
        expect(answer.faults()).toEqual([])
      }
      // Only until the headers: a stream has no end.
      const opened = await fetch(`${product.url}${filled(path)}`, { method, headers: bearer })
      expect(opened.status).not.toBe(401)
      await opened.body?.cancel()
    },
  )

  it.each(PROBES)('%s does not', async (path) => {
    expect((await rest('GET', path)).status).toBe(200)
    expect((await rest('GET', `${path}/`)).status).toBe(200)
  })

  it('who writes is the key, with the name it claims', async () => {
    const key = { kind: 'api_key', id: 'default' }
    expect(await firstActor(rest, bearer)).toEqual(key)
    const claimed = await firstActor(rest, { ...bearer, user_id: 'user-zoe' })
    expect(claimed).toEqual({ ...key, name: 'user-zoe' })
  })
})

describe('without a key', () => {
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

  it('it listens on loopback, and any token is accepted and ignored', async () => {
    expect(product.url).toMatch(/^http:\/\/127\.0\.0\.1:/)
    const user = { kind: 'user', id: 'local' }
    expect(await firstActor(rest, {})).toEqual(user)
    expect(await firstActor(rest, { authorization: 'Bearer sk-anything' })).toEqual(user)
    expect(await firstActor(rest, { user_id: 'user-zoe' })).toEqual({ ...user, name: 'user-zoe' })
  })

  it('a tool call is the act of the agent, whoever asked for it', async () => {
    const block = await makeBlock(rest)
    const agent = await makeAgent(rest, [block.id], { name: 'scribe' })
    const body = { args: { label: 'notes', new_string: 'x' } }
    await rest('POST', `/v1/agents/${agent.id}/tools/memory_insert/run`, body)
    const { body: page } = await rest('GET', `/v1/blocks/${block.id}/history?order=desc&limit=1`)
    expect(page.data).toMatchObject([
      {
        type: 'TextInserted',
        actor: { kind: 'agent', id: agent.id, name: 'scribe' },
        base_version: null,
        run_id: null,
      },
    ])
  })
})
