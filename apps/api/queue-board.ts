import { extname } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { BoardRequest, QueueBoard } from '#adapters/queue-board.js'
import { Problem } from './http/problem.js'

/** Where the board is, beside the API's resources. */
export const QUEUES_PATH = '/queues'

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
}

/** Serves the board of the queues, behind the same door as everything else. It changes nothing. */
export function serveQueueBoard(fastify: FastifyInstance, board: QueueBoard): void {
  for (const page of board.pages) {
    fastify.get(`${QUEUES_PATH}${page}`, async (_request, reply) => {
      reply.header('content-type', 'text/html; charset=utf-8')
      return reply.send(board.page)
    })
  }
  for (const { path, answer } of board.routes) {
    fastify.get(`${QUEUES_PATH}${path}`, async (request, reply) => {
      const { params, query } = request as BoardRequest
      const { status, body } = await answer({ params, query }).catch((cause) => {
        throw new Problem('not_ready', 'The queue does not answer', { cause })
      })
      return reply.code(status).send(body)
    })
  }
  fastify.get(`${QUEUES_PATH}/static/*`, async (request, reply) => {
    const name = (request.params as { '*': string })['*']
    const bytes = await board.asset(name)
    if (!bytes) throw new Problem('not_found', 'The board has no such file')
    reply.header('content-type', MEDIA_TYPES[extname(name)] ?? 'text/plain; charset=utf-8')
    return reply.send(bytes)
  })
}
