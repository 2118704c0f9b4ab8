import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type INestApplication, Module } from '@nestjs/common'
import type { FastifyInstance } from 'fastify'
import { QueueBoard } from '#adapters/queue-board.js'
import { createServer } from './http/server.js'
import { QUEUES_PATH, serveQueueBoard } from './queue-board.js'

const KEY = 'a key of sixteen characters'.replaceAll(' ', '-')
/** Nobody listens there. */
const AWAY = { redisUrl: 'redis://127.0.0.1:1', queuePrefix: 'bull', databaseUrl: '' }

@Module({})
class Nothing {}

let app: INestApplication
let board: QueueBoard
let url: string

beforeAll(async () => {
  const server = await createServer(Nothing, { apiKey: KEY, logger: false })
  board = new QueueBoard(QUEUES_PATH, AWAY, () => {})
  serveQueueBoard(server.getHttpAdapter().getInstance() as unknown as FastifyInstance, board)
  await server.listen(0, '127.0.0.1')
  app = server
  url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`
})

afterAll(async () => {
  await app.close()
  await board.close()
})

const ask = (path: string, method = 'GET', key = KEY): Promise<Response> =>
  fetch(`${url}${path}`, { method, headers: { authorization: `Bearer ${key}` } })

describe('the board of the queues', () => {
  it('stands behind the door, with the same refusal as everything else', async () => {
    for (const path of ['/queues', '/queues/api/queues', '/queues/static/favicon.ico']) {
      const refused = await ask(path, 'GET', 'another')
      expect(refused.status).toBe(401)
      expect(await refused.json()).toMatchObject({ code: 'unauthorized' })
    }
  })

  it('is one page with files of its own, which ask nothing of other servers', async () => {
    const html = await (await ask('/queues')).text()
    expect(await (await ask('/queues/queue/palimpsest-turns')).text()).toBe(html)
    expect(html).toContain('<base href="/queues/" />')
    expect(html).not.toMatch(/<%|<(link|script)[^>]*https?:/)
    const files = [...html.matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map(([, file]) => file)
    expect(files.length).toBeGreaterThan(4)
    for (const file of files) {
      const answer = await ask(`/queues/${file}`)
      expect([file, answer.status, (await answer.arrayBuffer()).byteLength > 0]).toEqual([
        file,
        200,
        true,
      ])
    }
    const none = await ask('/queues/static/%2e%2e/index.ejs')
    expect(await none.json()).toMatchObject({ code: 'not_found' })
  })

  it('has no route that changes anything', async () => {
    for (const [method, path] of [
      ['PUT', '/queues/api/queues/pause'],
      ['PUT', '/queues/api/queues/palimpsest-turns/obliterate'],
      ['POST', '/queues/api/queues/palimpsest-turns/add'],
      ['PATCH', '/queues/api/queues/palimpsest-turns/run-1/update-data'],
    ] as const) {
      expect((await ask(path, method)).status).toBe(404)
    }
  })

  it('says that the queue is away while it is', async () => {
    const answer = await ask('/queues/api/queues')
    expect(answer.status).toBe(503)
    expect(await answer.json()).toMatchObject({ code: 'not_ready' })
  })
})
