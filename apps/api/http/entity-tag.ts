import type { FastifyReply, FastifyRequest } from 'fastify'
import { isNotModified } from './idempotency-key.js'

/** Names the version an answer shows; it is what `If-Match` compares. */
export function tagged<T>(reply: FastifyReply, version: number, body: T): T {
  reply.header('etag', `"${version}"`)
  return body
}

/** An answer to a read: 304 without a body when the client has this version already. */
export function readTagged<T>(
  request: FastifyRequest,
  reply: FastifyReply,
  version: number,
  body: T,
): T | undefined {
  tagged(reply, version, body)
  if (!isNotModified(request, version)) return body
  reply.code(304)
  return undefined
}
